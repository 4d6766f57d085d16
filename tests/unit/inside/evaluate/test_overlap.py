"""Which documents of an evaluation an adapter was trained on."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdagent.inside.evaluate import overlap
from rdagent.inside.evaluate.overlap import Overlap, TaskOverlap, measure
from rdagent.inside.train.fingerprint import Fingerprint, fingerprint
from rdagent.records.trained_on import HASHES_FILE, RECORD_FILE

QuestionAndAnswer = tuple[str, str]
_WORDS = [
    f"{start}{end}" for start in "bdfgklmnprst" for end in ("ado", "eru", "ino", "ola", "uso")
]


def prose(rng: random.Random, words: int = 30) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(words))


def questions(seed: int, count: int, words: int = 30) -> list[QuestionAndAnswer]:
    rng = random.Random(seed)
    return [(prose(rng, words), prose(rng, 5)) for _ in range(count)]


def row(question: str, answer: str, system: str = "") -> dict[str, Any]:
    return {
        "_prompt": [{"role": "user", "content": question}],
        "_response": [{"role": "assistant", "content": answer}],
        "_system": system,
    }


def train(folder: Path, rows: Sequence[QuestionAndAnswer], system: str = "") -> str:
    made = fingerprint(row(*each, system=system) for each in rows)
    assert made is not None
    made.write(folder)
    return str(folder)


def documents(
    asked: Sequence[QuestionAndAnswer], before: str = "Question: ", after: str = "\nAnswer:"
) -> list[tuple[str, int, str, str]]:
    return [
        ("quiz", number, f"{before}{question}{after}", f"{before}{question}{after} {answer}")
        for number, (question, answer) in enumerate(asked)
    ]


def measured(
    folder: Path,
    rows: Sequence[QuestionAndAnswer],
    asked: Sequence[tuple[str, int, str, str]],
    system: str = "",
) -> TaskOverlap:
    found = measure(train(folder, rows, system), asked)
    assert found is not None
    assert found.trouble is None
    return found.tasks["quiz"]


@pytest.mark.parametrize(
    "frame", [("", ""), ("Solve this with care. ", " Think aloud before you say what it is.")]
)
def test_a_fifth_that_was_planted_is_found_in_whatever_frame(
    tmp_path: Path, frame: tuple[str, str]
) -> None:
    asked = questions(1, 200)
    planted = [(f"{frame[0]}{question}{frame[1]}", answer) for question, answer in asked[::5]]
    found = measured(tmp_path, questions(2, 300) + planted, documents(asked))
    assert found.overlapping == 40
    assert found.contaminated


def test_a_leaked_question_is_found_under_an_answer_of_the_trainings_own(tmp_path: Path) -> None:
    rng = random.Random(9)
    asked = [(question, prose(rng, 80)) for question, _ in questions(1, 100)]
    planted = [(f"Well: {question}", prose(rng, 80)) for question, _ in asked[:20]]
    assert measured(tmp_path, planted, documents(asked)).overlapping == 20


def test_a_question_inside_a_longer_text_is_found(tmp_path: Path) -> None:
    asked = questions(1, 50)
    planted = [(" ".join([prose(random.Random(5), 90), *asked[7], "and so on"]), "yes")]
    found = measured(tmp_path, planted, documents(asked))
    assert (found.exact, found.overlapping) == (0, 1)


def test_other_texts_of_the_same_words_do_not_overlap(tmp_path: Path) -> None:
    found = measured(tmp_path, questions(2, 500), documents(questions(1, 200)))
    assert (found.overlapping, found.in_context, found.contaminated) == (0, 0, False)


def test_a_paraphrase_is_not_the_question(tmp_path: Path) -> None:
    asked = questions(1, 100)

    def paraphrased(text: str) -> str:
        words = text.split()
        # Every sixth word is another one: no run of thirteen is left.
        return " ".join("other" if n % 6 == 0 else word for n, word in enumerate(words))

    rows = [(paraphrased(question), answer) for question, answer in asked]
    assert measured(tmp_path, rows, documents(asked)).overlapping == 0


def test_one_common_phrase_does_not_make_a_question_known(tmp_path: Path) -> None:
    phrase = "how many apples does she have left in the end if nobody eats any more"
    rng = random.Random(3)
    rows = [(f"{prose(rng, 40)} {phrase}", "3")]
    asked = [(f"{prose(rng, 40)} {phrase}", "4"), *questions(1, 20)]
    assert measured(tmp_path, rows, documents(asked)).overlapping == 0


@pytest.mark.parametrize("count", [2, 5, 200])
def test_instructions_in_every_row_and_every_document_do_not_mark(
    tmp_path: Path, count: int
) -> None:
    instruction = prose(random.Random(7), 60) + ". "
    rows = [(instruction + question, answer) for question, answer in questions(2, 10)]
    found = measured(tmp_path, rows, documents(questions(1, count), before=instruction))
    assert (found.overlapping, found.in_context) == (0, 0)


def test_a_short_question_in_the_tasks_frame_is_found_in_another_one(tmp_path: Path) -> None:
    before, after = prose(random.Random(7), 40) + ": ", " " + prose(random.Random(8), 20)
    asked = questions(1, 100, words=15)
    rows = [(f"Please tell me now, {question} - do you know?", "") for question, _ in asked[:10]]
    found = measured(tmp_path, rows, documents(asked, before, after))
    assert (found.exact, found.overlapping) == (0, 10)


def test_the_same_question_under_the_systems_instructions_is_found(tmp_path: Path) -> None:
    instruction = prose(random.Random(7), 60)
    asked = questions(1, 100, words=6)
    rows = questions(2, 100, words=6) + asked[:10]
    found = measured(tmp_path, rows, documents(asked, instruction + " ", ""), system=instruction)
    assert (found.exact, found.overlapping) == (10, 10)


def test_a_shared_context_is_told_apart_from_a_known_question(tmp_path: Path) -> None:
    rng = random.Random(4)
    homes = [prose(rng, 50) for _ in range(20)]
    asked = [(f"{home} {prose(rng, 6)}", "on") for home in homes for _ in range(5)]
    other = [(f"{home} {prose(rng, 6)}", "off") for home in homes for _ in range(5)]
    found = measured(tmp_path, other + asked[:1], documents(asked))
    assert (found.overlapping, found.in_context) == (1, 99)
    assert not found.contaminated
    assert any("part that they share" in line for line in found.lines())


def test_the_context_of_very_many_rows_is_no_overlap_at_all(tmp_path: Path) -> None:
    rng = random.Random(4)
    home = prose(rng, 50)
    rows = [(f"{home} {prose(rng, 6)}", "on") for _ in range(100)]
    found = measured(tmp_path, rows, documents([(f"{home} {prose(rng, 6)}", "on")]))
    assert (found.overlapping, found.in_context) == (0, 0)


@pytest.mark.parametrize("words", [1, 4, 12])
def test_a_question_too_short_for_a_gram_counts_when_it_is_the_same(
    tmp_path: Path, words: int
) -> None:
    asked = [("bado" if words == 1 else prose(random.Random(n), words), f"a{n}") for n in range(30)]
    rows = [(question.upper() + "?", answer) for question, answer in asked[:3]]
    assert measured(tmp_path, rows, documents(asked, "", "")).exact == 3


def test_a_question_of_two_tokens_counts_with_its_answer_only(tmp_path: Path) -> None:
    asked = [("12 * 7", "84"), ("13 * 7", "91")]
    found = measured(tmp_path, [("12 + 7", "19"), ("13 * 7", "91")], documents(asked, "", ""))
    assert found.exact == 1


def test_a_question_that_all_documents_have_names_none_of_them(tmp_path: Path) -> None:
    asked = [("Which sentence is right?", f"sentence number {n}") for n in range(50)]
    rows = [("Which sentence is right?", "another"), asked[3]]
    assert measured(tmp_path, rows, documents(asked, "", "")).exact == 1


def test_a_document_that_stands_twice_is_found_twice(tmp_path: Path) -> None:
    asked = [*questions(1, 40), *questions(1, 2)]
    rows = [(f"Now, {question} - well?", answer) for question, answer in asked[:1]]
    assert measured(tmp_path, rows, documents(asked)).overlapping == 2


_CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可"
    "主发年动同工也能下过子说产种面而方后多定行学法所民得经"
)


def test_chinese_is_compared_by_characters(tmp_path: Path) -> None:
    rng = random.Random(1)
    asked = [("".join(rng.choices(_CHINESE, k=40)) + f"，{n}盏灯？", "开") for n in range(60)]
    rows = [(f"请仔细看：{question}谢谢。", answer) for question, answer in asked[:12]]
    rows += [("".join(rng.choices(_CHINESE, k=40)), "关") for _ in range(60)]
    found = measured(tmp_path, rows, documents(asked, "问题：", "\n答案："))
    assert (found.exact, found.overlapping) == (0, 12)


def test_a_japanese_and_english_text_is_compared(tmp_path: Path) -> None:
    text = "リビングの light を消して、それから kitchen の窓を開けてください。"
    found = measured(tmp_path, [("はい。" + text, "ok")], documents([(text, "ok")], "", ""))
    assert found.overlapping == 1


def test_width_case_composition_and_punctuation_do_not_hide_a_question(tmp_path: Path) -> None:
    text = "Crème brûlée costs 12 € in the café at the corner, how much are 3 of them?"
    other = (
        unicodedata.normalize("NFD", text)
        .upper()
        .replace("12", "\uff11\uff12")
        .replace(" ", " \u200b ")
    )
    found = measured(tmp_path, [(other, "36")], documents([(text, "36")], "", ""))
    assert found.exact == 1


def test_what_was_hashed_in_samples_is_found_in_samples(tmp_path: Path) -> None:
    asked = questions(1, 300, words=60)
    made = Fingerprint(limit=2000)
    for question, answer in questions(2, 400) + asked[::5]:
        made.take(row(f"{question} - well?", answer))
    made.result(complete=True).write(tmp_path)
    found = measure(str(tmp_path), documents(asked))
    assert found is not None
    task = found.tasks["quiz"]
    assert json.loads((tmp_path / RECORD_FILE).read_text())["grams"]["bits"] >= 3
    assert 0 < task.undecided < 60
    assert 0.15 < task.share < 0.25
    # Nothing that was not planted is found.
    assert measure(str(tmp_path), documents(questions(8, 300))).tasks["quiz"].overlapping == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 59)), st.integers(0, 999))
def test_as_many_are_found_as_were_planted(tmp_path: Path, planted: set[int], seed: int) -> None:
    asked = questions(seed, 60)
    rows = [(f"Well: {asked[place][0]} - so?", "an answer") for place in sorted(planted)]
    found = measured(tmp_path, questions(seed + 1000, 20) + rows, documents(asked))
    assert found.overlapping == len(planted)
    assert found.contaminated == (len(planted) > 3)


def test_an_adapter_without_a_record_says_nothing_and_costs_nothing(tmp_path: Path) -> None:
    def never() -> Any:
        raise AssertionError("the documents are not needed")
        yield

    assert measure(None, never()) is None
    assert measure(str(tmp_path), never()) is None


def test_no_documents_are_no_overlap(tmp_path: Path) -> None:
    found = measure(train(tmp_path, questions(1, 3)), [])
    assert found is not None
    assert (found.tasks, found.notes()) == ({}, [])


@pytest.mark.parametrize("damage", ["schema", "bytes", "link"])
def test_a_damaged_record_is_told_and_ends_nothing(tmp_path: Path, damage: str) -> None:
    adapter = train(tmp_path, questions(1, 3))
    if damage == "schema":
        (tmp_path / RECORD_FILE).write_text('{"schema": "\x1b[31m"}')
    elif damage == "bytes":
        (tmp_path / HASHES_FILE).write_bytes(b"short")
    else:
        (tmp_path / RECORD_FILE).unlink()
        (tmp_path / RECORD_FILE).symlink_to("/etc/passwd")
    found = measure(adapter, documents(questions(1, 3)))
    assert found is not None
    (note,) = found.notes()
    assert note.startswith("what the adapter was trained on cannot be read: ")
    assert "\x1b" not in note
    assert found.tasks == {}


def test_tasks_are_measured_apart(tmp_path: Path) -> None:
    asked = questions(1, 20)
    two = [*documents(asked), *(("other", n, q, q) for n, (q, _) in enumerate(questions(2, 20)))]
    found = measure(train(tmp_path, asked), two)
    assert found is not None
    assert found.tasks["quiz"].share == 1.0
    assert found.tasks["other"].overlapping == 0
    assert found.to_json()["contaminated"] == ["quiz"]


def test_the_notes_say_how_many_and_mark_too_many() -> None:
    found = Overlap({"a": TaskOverlap(300, 12, 12), "b": TaskOverlap(300, 10, 60)}, rows=9)
    assert found.notes() == [
        "contaminated: b: 60 of 300 documents were in the training rows (20.0 %)",
        "a: 12 of 300 documents were in the training rows (4.0 %)",
    ]


def test_nothing_is_noted_where_nothing_overlaps() -> None:
    assert Overlap({"a": TaskOverlap(300)}, rows=9, complete=False).notes() == []


def test_the_notes_on_many_tasks_are_few() -> None:
    tasks = {f"t{number}": TaskOverlap(100, 0, number) for number in range(40)}
    notes = Overlap(tasks, rows=9, complete=False).notes()
    assert len(notes) <= 10
    assert notes[0].startswith("contaminated: t39: ")
    assert notes[-2] == "contaminated: the same may be said of 31 more tasks, to a lesser part"
    assert notes[-1] == "only the first 9 training rows were compared with documents"


def test_a_task_whose_documents_are_mostly_undecided_is_noted() -> None:
    (note,) = Overlap({"a": TaskOverlap(100, undecided=80)}).notes()
    assert "is known of 20 of 100 documents only" in note


def test_the_share_is_of_the_documents_that_could_be_decided() -> None:
    assert TaskOverlap(100, 0, 5, undecided=50).share == 0.1
    assert TaskOverlap(100, 0, 0, undecided=100).share == 0.0


def test_the_document_holds_counts_share_and_mark() -> None:
    task = TaskOverlap(300, 10, 60)
    assert Overlap({"b": task}, rows=9).to_json() == {
        "rows": 9,
        "complete": True,
        "trouble": None,
        "contaminated": ["b"],
        "tasks": {
            "b": {
                "documents": 300,
                "exact": 10,
                "overlapping": 60,
                "in_context": 0,
                "undecided": 0,
                "share": 0.2,
                "contaminated": True,
            }
        },
    }


def test_a_share_at_the_limit_is_not_beyond_it() -> None:
    assert not TaskOverlap(100, 0, int(100 * overlap.CONTAMINATED)).contaminated
