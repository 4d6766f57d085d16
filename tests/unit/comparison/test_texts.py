"""The words of items: found where they stand, cut to a length, harmless to look at."""

import json
from dataclasses import replace

import pytest

from rdagent.comparison.items import read_items
from rdagent.comparison.texts import TEXT_LIMIT, read_fields, read_lengths, read_texts
from tests.unit.comparison.builders import TaskSpec, rows_of, write_rows


@pytest.fixture
def items(tmp_path):
    def read(task, change=None):
        path = tmp_path / "samples_t.jsonl"
        rows = rows_of("t", task)
        write_rows(path, [change(row) for row in rows] if change else rows)
        return read_items("t", path).items[task.filter]

    return read


def only(items):
    (text,) = read_texts(items, items.items).values()
    return text


def test_the_words_of_a_generated_answer(items):
    task = TaskSpec([1], answers=["The answer is 4."], extracted=["4"], targets=["4"])
    text = only(items(task))
    assert (text.question, text.target) == ("Question 0 of t?", "4")
    assert (text.answer, text.extracted) == ("The answer is 4.", "4")
    assert text.document == {"question": "Question 0 of t?"}


def test_the_words_of_a_choice_are_those_of_the_likeliest(items):
    text = only(items(TaskSpec([1], "acc", kind="choice", answers=[2])))
    assert (text.answer, text.extracted) == ("choice 2", "2")
    assert text.target == "0: choice 0"


def test_choices_that_differ_before_the_scored_words_are_told_apart(items):
    def partial(row):
        names = ("Ann", "Bea")
        arguments = {
            f"gen_args_{n}": {"arg_0": f"Who? {name}", "arg_1": " won."}
            for n, name in enumerate(names)
        }
        return {**row, "arguments": arguments, "resps": [[["-2"]], [["-1"]]]}

    text = only(items(TaskSpec([1], "acc", kind="choice"), partial))
    assert (text.answer, text.target) == ("Who? Bea won.", "0: Who? Ann won.")


def test_only_the_items_that_are_wanted_are_read(items):
    found = items(TaskSpec([1, 0, 1, 0]))
    assert set(read_texts(found, [found.items[3], found.items[1]])) == {1, 3}


def test_a_document_without_a_question_of_its_own_shows_its_prompts_end(items):
    prompt = "x" * TEXT_LIMIT + "the end"
    text = only(items(TaskSpec([1], docs=[{"id": 1}], prompts=[prompt])))
    assert text.question.startswith("…")
    assert text.question.endswith("the end")


@pytest.mark.parametrize("name", ["problem", "goal", "query", "instruction", "ctx", "sentence"])
def test_questions_go_by_several_names(items, name):
    assert only(items(TaskSpec([1], docs=[{"id": 7, name: "What?"}]))).question == "What?"


def test_long_texts_are_cut_and_say_how_long_they_were(items):
    text = only(items(TaskSpec([1], answers=["y" * 3_000_000])))
    assert text.answer.startswith("y" * TEXT_LIMIT)
    assert text.answer.endswith("… (3000000 characters)")
    assert len(text.answer) < TEXT_LIMIT + 40


NASTY = "\x1b[31m\x07\u202egnp\u2066\x00 <script>alert(1)</script> https://x.example \ud800"


def test_control_characters_and_direction_marks_are_gone(items):
    task = TaskSpec(
        [1], answers=[NASTY], extracted=[NASTY], targets=[NASTY], docs=[{"question": NASTY}]
    )
    text = only(items(task))
    for words in (text.question, text.target, text.answer, text.extracted):
        assert not set(words) & set("\x1b\x07\u202e\u2066\x00\ud800")
        assert "<script>" in words  # markup is the page's to escape


def test_fields_of_documents_are_short_texts(items):
    docs = [{"subject": "law", "level": 3}, {"subject": ["law"], "level": None}, {"x": 1}]
    found = read_fields(items(TaskSpec([1, 0, 1], docs=docs)), ["subject", "level"])
    assert found == {0: {"subject": "law", "level": "3"}, 1: {"subject": "law"}, 2: {}}


def test_passages_that_begin_alike_stay_apart(items):
    docs = [{"passage": "a" * 5000 + ending} for ending in ("b", "c", "b")]
    found = read_fields(items(TaskSpec([1, 0, 1], docs=docs)), ["passage"])
    assert found[0] == found[2] != found[1]


def test_lengths_are_those_of_the_questions(items):
    docs = [{"question": "12345"}, {"question": "é"}]
    assert read_lengths(items(TaskSpec([1, 0], docs=docs))) == {0: 5, 1: 1}


def test_rows_that_changed_since_have_no_words(items):
    found = items(TaskSpec([1, 0]))
    content = found.path.read_text()
    found.path.write_text(content.replace('"doc_id": 1', '"doc_id": 7'))
    assert set(read_texts(found, found.items)) == {0}
    found.path.write_text("x" * 10_000)
    assert read_texts(found, found.items) == {}
    found.path.unlink()
    assert read_texts(found, found.items) == {}
    assert read_fields(found, ["x"]) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": None, "resps": None, "filtered_resps": None, "doc": None, "target": None},
        {"arguments": [], "resps": [], "filtered_resps": [], "doc": [], "target": ["a"]},
        {"arguments": {"a": 1}, "resps": {"a": 1}, "filtered_resps": 3, "doc": "x", "target": 5},
        {"arguments": [["p"], []], "resps": [[["x"]], [["-1"]]], "target": "7"},
        {"arguments": [[1, 2]] * 3, "resps": [[[]], [], "-1"], "target": "1"},
        {"arguments": [["p", " a"], ["p", " b"]], "resps": [["nan"], ["-inf"]], "target": "9" * 99},
    ],
)
def test_rows_of_any_shape_have_some_words(items, change):
    found = items(TaskSpec([1], "acc", kind="choice"), lambda row: {**row, **change})
    text = only(found)
    assert all(isinstance(words, str) for words in (text.question, text.answer, text.target))


def test_older_rows_with_lists_of_arguments_are_read(items):
    def older(row):
        arguments = [list(told.values()) for told in row["arguments"].values()]
        return {**row, "arguments": arguments}

    text = only(items(TaskSpec([1], answers=["four"], docs=[{"id": 1}]), older))
    assert (text.question, text.answer) == ("0\nAnswer:", "four")


def test_answers_in_a_flat_list_are_read(items):
    def flat(row):
        return {**without_arguments(row), "resps": ["four"], "filtered_resps": "four"}

    def without_arguments(row):
        return {key: value for key, value in row.items() if key != "arguments"}

    text = only(items(TaskSpec([1]), flat))
    assert (text.answer, text.extracted) == ("four", "four")


def test_the_row_after_another_filter_has_the_same_words(items):
    task = TaskSpec([1], filter="a", more={"exact_match,b": [0]}, answers=["x"])
    assert only(items(task)).answer == "x"
    assert only(items(replace(task, filter="b", more={}))).answer == "x"
    assert json.loads(json.dumps(rows_of("t", task)[0]))["filter"] == "a"
