"""Reading one side: what is damaged is named, the rest is used, nothing is guessed."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.comparison.items import read_items
from rdagent.comparison.lines import LINE_LIMIT, SampleLines
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import mean_matches, read_side
from rdagent.errors import ResultError
from rdagent.files.digests import file_digest
from tests.unit.comparison.builders import TaskSpec, rows_of, sha, write_rows, write_run, write_side

TASK = TaskSpec([1, 0, 1, 1], "exact_match", "flexible", more={"exact_match,strict": [0, 0, 1, 1]})


@pytest.fixture
def side(tmp_path):
    """Write one model of one task ``t`` and read it; ``change`` takes its rows' text."""

    def read(task=TASK, change=None, **settings):
        path = write_side(tmp_path / "m", tasks={"t": task}, layout="plain", **settings)
        samples = path.parent / "samples_t.jsonl"
        if change is not None:
            samples.write_bytes(change(samples.read_bytes()))
        (source,) = find_sources([str(path), str(path)], tmp_path)[:1]
        return read_side(source)

    return read


def column(side, filter_name="flexible", metric="exact_match"):
    items = side.items["t"][filter_name]
    return [item.values[items.column(metric)] for item in items.items]


def lines(*changes):
    """Return a change of a file's lines: place → new line, or None to drop it."""

    def change(content):
        found = content.splitlines(keepends=True)
        for place, line in changes:
            found[place] = line or b""
        return b"".join(found)

    return change


# --- rows and filters


def test_rows_of_two_filters_are_kept_apart(side):
    found = side()
    assert column(found, "flexible") == [1, 0, 1, 1]
    assert column(found, "strict") == [0, 0, 1, 1]
    assert found.damage == {}


def test_rows_in_any_order_come_out_by_document(side):
    assert column(side(change=lambda text: b"".join(reversed(text.splitlines(True))))) == [
        1,
        0,
        1,
        1,
    ]


def test_several_metrics_of_a_filter_have_columns_of_their_own(side):
    task = TaskSpec([1, 0], "acc", more={"acc_norm,none": [0, 1]}, kind="choice")
    found = side(task)
    assert found.items["t"]["none"].metrics == ("acc", "acc_norm")
    assert column(found, "none", "acc_norm") == [0, 1]


@pytest.mark.parametrize("value", ["N/A", None, float("nan"), float("inf"), "1.0", [1, 2], {}])
def test_what_is_no_number_is_none(side, value):
    task = replace(TASK, values=[1, value, 1, 1], reported={"exact_match,flexible": "N/A"})
    assert column(side(task)) == [1, None, 1, 1]


def test_right_and_wrong_as_truth_values_are_numbers(side):
    assert column(side(replace(TASK, values=[True, False, True, True]))) == [1, 0, 1, 1]


def test_bare_metric_names_stand_without_a_filter(tmp_path):
    path = write_side(tmp_path, tasks={"t": TaskSpec([1, 0], "acc", kind="choice")})
    path.write_text(path.read_text().replace("acc,none", "acc").replace("_stderr,none", "_stderr"))
    found = read_side(find_sources([str(path)] * 2, tmp_path)[0])
    assert found.results.tasks["t"].find("acc", "none").value == 0.5
    assert column(found, "none", "acc") == [1, 0]
    assert found.damage == {}


def test_rows_without_a_list_of_metrics_give_their_numbers(side):
    def unlisted(content):
        rows = [json.loads(line) for line in content.splitlines()]
        for row in rows:
            del row["metrics"]
        return "\n".join(map(json.dumps, rows)).encode()

    assert column(side(change=unlisted)) == [1, 0, 1, 1]


def test_a_task_without_items_is_there_and_empty(side):
    found = side(TaskSpec([], reported={"exact_match,none": 0.0}), change=lambda _: b"")
    assert found.items["t"] == {}


def test_one_item_is_one_item(side):
    assert column(side(TaskSpec([1])), "none") == [1]


def test_groups_are_not_among_the_tasks_with_items(tmp_path):
    tasks = {"a": TaskSpec([1, 0]), "b": TaskSpec([1, 1])}
    path = write_side(tmp_path, tasks=tasks, groups={"g": ["a", "b"]})
    found = read_side(find_sources([str(path)] * 2, tmp_path)[0])
    assert set(found.items) == {"a", "b"}
    assert found.damage == {}


# --- damage


def test_a_line_that_is_torn_is_named_and_the_rest_is_used(side):
    found = side(change=lambda text: text[:-30])
    assert "line 8 is not valid JSON, cut off before its end and was left out" in found.damage["t"]
    assert column(found, "strict") == [0, 0, 1]


def test_a_broken_line_in_the_middle_is_named(side):
    found = side(change=lines((1, b'{"doc_id": 1, \n')))
    assert "line 2 is not valid JSON and was left out" in found.damage["t"]
    assert column(found) == [1, 1, 1]


@pytest.mark.parametrize("line", [b"[]\n", b"5\n", b'"x"\n', b"null\n"])
def test_a_line_that_is_no_row_is_named(side, line):
    assert side(change=lines((0, line))).damage["t"][0].startswith("line 1 is not a JSON object")


def test_many_broken_lines_are_counted(side):
    found = side(change=lambda text: text + b"{\n" * 10)
    assert found.damage["t"][0].startswith("10 lines were left out (9, 10, 11, 12, 13 and 5 more)")


def test_a_row_without_a_number_of_its_document_is_named(side):
    found = side(change=lines((0, b'{"filter": "flexible", "exact_match": 1}\n')))
    assert "line 1 has no doc_id and was left out" in found.damage["t"]


def test_bytes_that_are_no_text_are_a_broken_line(side):
    found = side(change=lines((0, b'{"doc_id": "\xff\xfe"}\n')))
    assert "line 1 is not valid JSON and was left out" in found.damage["t"]


def test_nesting_without_end_is_a_broken_line(side):
    found = side(change=lines((0, b"[" * 100_000 + b"\n")))
    assert "line 1 is not valid JSON and was left out" in found.damage["t"]


def test_nesting_that_python_just_reads_breaks_nothing(side):
    fields = ("doc", "resps", "filtered_resps", "arguments", "target", "metrics")

    def deeper(content):
        rows = []
        for depth in range(
            800, 1000
        ):  # somewhere here reading ends, and a little before it writing
            deep = ", ".join(f'"{name}": {"[" * depth + "]" * depth}' for name in fields)
            rows.append(f'{{"doc_id": {depth}, "filter": "flexible", {deep}}}')
        return content + "\n".join(rows).encode()

    found = side(change=deeper)
    assert 4 < len(found.items["t"]["flexible"].items) < 204


def test_items_that_are_missing_are_counted(side):
    found = side(change=lines((3, None)))
    assert "3 of 4 items are there after filter flexible" in found.damage["t"]


def test_a_filter_without_rows_is_named(side):
    found = side(change=lambda text: b"".join(text.splitlines(keepends=True)[:4]))
    assert "there are no items after filter strict" in found.damage["t"]


def test_missing_samples_are_damage_and_no_error(side):
    found = side(samples=False)
    assert found.items["t"] == {}
    assert found.damage["t"] == ("there are no samples",)


def test_samples_that_are_a_folder_are_said(tmp_path):
    path = write_side(tmp_path, tasks={"t": TASK}, layout="plain", samples=False)
    (tmp_path / "samples_t.jsonl").mkdir()
    found = read_side(find_sources([str(path)] * 2, tmp_path)[0])
    assert found.damage["t"] == ("there are no samples",)


def test_samples_behind_a_link_are_not_read(tmp_path):
    path = write_side(tmp_path / "m", tasks={"t": TASK}, layout="plain")
    real = tmp_path / "elsewhere.jsonl"
    (tmp_path / "m" / "samples_t.jsonl").rename(real)
    (tmp_path / "m" / "samples_t.jsonl").symlink_to(real)
    found = read_side(find_sources([str(path)] * 2, tmp_path)[0])
    assert found.items["t"] == {}
    assert "cannot be read" in found.damage["t"][0]


def test_a_line_beyond_all_measure_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("rdagent.comparison.lines.LINE_LIMIT", 2000)
    monkeypatch.setattr("rdagent.comparison.lines._CHUNK", 100)
    path = tmp_path / "samples_t.jsonl"
    write_rows(path, rows_of("t", TASK))
    text = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([text[0], b'{"x": "' + b"a" * 9000 + b'"}\n', *text[1:]]))
    found = read_items("t", path)
    assert found.damage == ("line 2 is over 2000 bytes long and was left out",)
    assert len(found.items["flexible"].items) == 4
    assert found.sha256 == file_digest(path)
    assert LINE_LIMIT > 1 << 20


# --- rows that are there several times


def test_rows_that_are_there_twice_count_once(side):
    found = side(change=lambda text: text + text)
    assert column(found) == [1, 0, 1, 1]
    assert found.damage["t"] == ("8 rows stood there twice and counted once",)


def test_a_copy_with_its_fields_in_another_order_is_a_copy(side):
    def reordered(content):
        row = json.loads(content.splitlines()[0])
        return content + json.dumps(dict(reversed(row.items()))).encode()

    assert side(change=reordered).damage["t"] == ("1 row stood there twice and counted once",)


def test_rows_that_contradict_each_other_leave_the_item_out_by_name(side):
    def contradicting(content):
        row = json.loads(content.splitlines()[1])
        return content + json.dumps({**row, "exact_match": 1}).encode()

    found = side(change=contradicting)
    assert [item.doc_id for item in found.items["t"]["flexible"].items] == [0, 2, 3]
    assert "rows that contradict each other and were left out: 1" in found.damage["t"][0]
    assert len(found.items["t"]["strict"].items) == 4


def test_an_item_stays_out_however_often_it_is_repeated(side):
    def contradicting(content):
        row = json.loads(content.splitlines()[1])
        more = [{**row, "exact_match": value} for value in (1, 0, 1)]
        return content + "\n".join(map(json.dumps, more)).encode()

    found = side(change=contradicting)
    assert len(found.items["t"]["flexible"].items) == 3
    assert not any("twice" in text for text in found.damage["t"])


@pytest.mark.parametrize("values", [(1, 0, 1, 1), (1, 1, 1, 1), (0, 1, 1, 0)])
def test_draws_in_rows_of_their_own_are_averaged(side, values):
    def drawn(content):
        rows = [json.loads(content.splitlines()[0]) | {"exact_match": v} for v in values]
        return "\n".join(map(json.dumps, rows)).encode()

    found = side(TaskSpec([1], config={"repeats": 4}, reported={"x": 1}), change=drawn)
    (item,) = found.items["t"]["none"].items
    assert (item.values[0], item.drawn) == (sum(values) / 4, 4)


def test_draws_of_another_document_contradict(side):
    def drawn(content):
        row = json.loads(content.splitlines()[0])
        return "\n".join(json.dumps({**row, "doc_hash": sha(text)}) for text in "ab").encode()

    found = side(TaskSpec([1], config={"repeats": 2}), change=drawn)
    assert found.items["t"]["none"].items == ()


def test_answers_that_all_entered_the_value_are_counted(side):
    task = TaskSpec([0.5, 1.0], answers=[["a", "b"], ["c", "c"]], config={"repeats": 2})
    assert [item.drawn for item in side(task).items["t"]["none"].items] == [2, 2]


def test_one_answer_taken_of_several_is_one(side):
    task = TaskSpec([1], answers=[["a", "b"]], extracted=["a"], config={"repeats": 2})
    assert side(task).items["t"]["none"].items[0].drawn == 1


# --- hashes


def test_hashes_that_are_missing_are_worked_out_as_lm_eval_does(tmp_path):
    row = rows_of("t", TaskSpec([1]))[0]
    known = row["prompt_hash"], row["target_hash"]
    write_rows(tmp_path / "s.jsonl", [{k: v for k, v in row.items() if not k.endswith("_hash")}])
    (item,) = read_items("t", tmp_path / "s.jsonl").items["none"].items
    assert (item.prompt_hash, item.target_hash) == known
    assert item.doc_hash.startswith("doc:")


def test_what_has_no_hash_and_no_content_has_none(tmp_path):
    write_rows(tmp_path / "s.jsonl", [{"doc_id": 0, "acc": 1}])
    (item,) = read_items("t", tmp_path / "s.jsonl").items["none"].items
    assert (item.doc_hash, item.prompt_hash, item.target_hash) == (None, None, None)


def test_every_offset_leads_to_its_row(tmp_path):
    task = TaskSpec([1, 0, 1], answers=["é" * 50, "\u202e", "a\nb"])
    path = tmp_path / "s.jsonl"
    write_rows(path, rows_of("t", task))
    path.write_bytes(b"\n" + path.read_bytes())
    content = path.read_bytes()
    for item in read_items("t", path).items["none"].items:
        assert json.loads(content[item.offset :].split(b"\n")[0])["doc_id"] == item.doc_id


# --- scores


def test_a_mean_that_is_not_the_reported_score_is_damage(side):
    found = side(replace(TASK, reported={"exact_match,flexible": 0.5}))
    assert "mean 0.75, reported is 0.5" in found.damage["t"][0]


def test_the_last_digits_of_a_mean_are_no_damage(side):
    assert not side(replace(TASK, reported={"exact_match,flexible": 0.75 + 1e-9})).damage


@pytest.mark.parametrize("metric", ["perplexity", "word_perplexity", "mcc"])
def test_a_metric_of_all_documents_together_is_no_damage(side, metric):
    task = TaskSpec([-1.5, -2.0], metric, reported={f"{metric},none": 12.0})
    without = replace(task, config={"metric_list": None})
    for one in (replace(task, aggregation="perplexity"), without):
        assert not side(one).damage


def test_mean_matches_says_no_where_there_is_nothing_to_match(side):
    items = side().items["t"]["flexible"]
    assert mean_matches(items, "exact_match", 0.75)
    assert not mean_matches(items, "exact_match", 0.7501)
    assert not mean_matches(items, "exact_match", None)
    assert not mean_matches(items, "acc", 0.75)
    assert not mean_matches(replace(items, items=()), "exact_match", 0.75)


# --- rates


def test_rates_are_counted_from_the_samples(side):
    task = TaskSpec(
        [1, 0, 0, 0],
        filter="flexible",
        answers=["12", " \n", "four", "nothing"],
        extracted=["12", "[invalid]", "[invalid]", "x"],
    )
    rates = side(task).rates["t"]
    assert (rates.empty, rates.not_extracted, rates.truncated) == (0.25, 0.5, None)
    assert rates.mean_length == (2 + 2 + 4 + 7) / 4


def test_rates_stand_on_the_primary_metrics_filter(side):
    def nothing_found_strictly(content):
        rows = [json.loads(line) for line in content.splitlines()]
        for row in rows:
            if row["filter"] == "strict":
                row["filtered_resps"] = ["[invalid]"]
        return "\n".join(map(json.dumps, rows)).encode()

    assert side(change=nothing_found_strictly).rates["t"].not_extracted == 0
    strict = replace(TASK, filter="strict", more={}, values=[0, 0, 1, 1])
    assert side(strict, change=nothing_found_strictly).rates["t"].not_extracted == 1


def test_choices_have_no_rates(side):
    rates = side(TaskSpec([1, 0], "acc", kind="choice")).rates["t"]
    assert (rates.empty, rates.not_extracted, rates.mean_length) == (None, None, None)


def test_copies_of_rows_do_not_count_in_the_rates(side):
    task = TaskSpec([1, 0], answers=["ab", ""])
    assert side(task, change=lambda t: t + t.splitlines(True)[1]).rates["t"].empty == 0.5


def test_what_our_run_counted_goes_before_what_the_samples_show(tmp_path):
    told = {"answers": 4, "cut_at_length": 1, "empty": 2, "nothing_extracted": {"flexible": 3}}
    said = {"rates": {"t": told}, "overlap": {"contaminated": ["t"]}}
    run = write_run(tmp_path, {"base": {"tasks": {"t": TASK}, "said": said}, "b": {"tasks": {}}})
    found = read_side(find_sources([f"{run}:base"] * 2, tmp_path)[0])
    rates = found.rates["t"]
    assert (rates.truncated, rates.empty, rates.not_extracted) == (0.25, 0.5, 0.75)
    assert found.contaminated == {"t"}


# --- what is said of the model


def test_the_digests_of_all_that_was_read_are_told(side, tmp_path):
    found = side()
    for name in ("results.json", "samples_t.jsonl"):
        assert found.info.files[name] == file_digest(tmp_path / "m" / name)


def test_the_model_and_its_adapter_are_named(side):
    info = side(model="org/base", adapter="/a/tuned").info
    assert (info.model, info.adapter) == ("org/base", "/a/tuned")
    assert (info.engine, info.lm_eval_version) == ("hf", "0.4.13")


def test_facts_are_told_as_texts(side):
    facts = side().info.facts
    assert facts["dtype"] == "torch.float32"
    assert facts["date"] == "2026-11-26T02:14:11Z"
    assert facts["seeds"] == "random 0, numpy 1234, torch 1234, fewshot 1234"


def test_a_limit_is_told(side):
    assert side(config={"limit": 4}).info.limited == "limit=4"
    assert side().info.limited is None
    part = side(replace(TASK, original=9)).info.limited
    assert part == "a part of the documents of t"


def test_a_run_that_did_not_end_well_is_told(tmp_path):
    run = write_run(tmp_path, {"base": {"tasks": {"t": TASK}}, "b": {"tasks": {"t": TASK}}})
    status = {"status": "incomplete", "reason": "incomplete"}
    (run / "status.json").write_text(json.dumps(status))
    info = read_side(find_sources([str(run)], tmp_path)[0]).info
    assert info.notes[0] == "its run ended incomplete: incomplete"


def test_a_strangers_words_are_made_printable(side):
    nasty = "\x1b[31mred\u202e"
    info = side(model=nasty, document={"lm_eval_version": nasty}, config={"device": nasty}).info
    said = json.dumps([info.model, info.facts, info.lm_eval_version], ensure_ascii=False)
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_results_that_are_none_are_an_error(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("{")
    with pytest.raises(ResultError, match="not valid JSON"):
        find_sources([str(path)] * 2, tmp_path)


def test_the_seeds_small_file_has_scores_and_no_items(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"model": "finetuned", "results": {"gsm8k": {"exact_match": 0.5}}}))
    found = read_side(find_sources([str(path)] * 2, tmp_path)[0])
    assert (found.kind, found.info.model) == ("scores", "finetuned")
    assert found.results.tasks["gsm8k"].find("exact_match", "none").value == 0.5
    assert found.damage["gsm8k"] == ("only scores were given",)


# --- whatever a stranger sends

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
FIELDS = ["doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"]
ROWS = st.dictionaries(st.sampled_from([*FIELDS, "doc_hash", "prompt_hash", "acc"]), JSON)


@given(st.lists(ROWS, max_size=5))
def test_no_row_breaks_the_reader(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("s") / "samples_t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for items in read_items("t", path, repeats=2).items.values():
        assert all(len(item.values) == len(items.metrics) for item in items.items)


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_lines_give_back_every_offset(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("s") / "x.jsonl"
    content = b"\n".join(parts)
    path.write_bytes(content)
    for line in SampleLines(path):
        assert line.offset == 0 or content[line.offset - 1 : line.offset] == b"\n"
