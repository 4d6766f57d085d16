"""Rules that need no model, the clauses that one of them counts, and the paper's rows."""

import pytest

from rdagent.suites.homebench.scoring.baselines import Question, score_baselines
from rdagent.suites.homebench.scoring.clauses import clauses
from rdagent.suites.homebench.scoring.paper import PAPER_RECORDS, Cell, paper_rows

QUESTIONS = [
    Question("VS", ("a.b.c()",), "Do this."),
    Question("IS", ("error_input",), "Do that."),
    Question("IM", ("error_input", "error_input"), "Do this and that."),
    Question("MM", ("a.b.c()", "error_input"), "Do this, and do that."),
]


def test_always_refusing_once_is_right_where_one_thing_cannot_be_done():
    found = score_baselines(QUESTIONS)["always_error"]
    assert {name: total.em for name, total in found.items() if total.em} == {"ALL": 0.25, "IS": 1}
    assert found["IM"].f1 == pytest.approx(2 / 3)


def test_refusing_once_per_clause_counts_clauses():
    found = score_baselines(QUESTIONS)["error_per_clause"]
    assert (found["IM"].em, found["MM"].em, found["MM"].f1) == (1, 0, 0.5)


def test_the_count_may_be_taken_from_the_gold():
    asked = Question("IM", ("error_input",) * 3, "Do this and that.")
    found = score_baselines([asked])
    assert found["error_count_known"]["IM"].em == 1
    assert found["error_per_clause"]["IM"].em == 0


def test_without_an_instruction_clauses_cannot_be_counted():
    found = score_baselines([*QUESTIONS, Question("VS", ("a.b.c()",), None)])
    assert found["error_per_clause"] is None
    assert found["always_error"]["ALL"].n == 5


def test_an_instruction_without_words_is_refused_once():
    assert (
        score_baselines([Question("IS", ("error_input",), " ")])["error_per_clause"]["IS"].em == 1
    )


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        ("Turn on the fan.", 1),
        ("Turn on the fan and the light.", 2),
        ("Turn on the fan, the light, and the standby lamp.", 3),
        ("Turn on the fan,and then the light", 2),
        ("Candles and sand", 2),
        ("打开厨房的灯，关掉风扇，并把空调调到20度。", 3),
        ("打开厨房的灯和客厅的灯", 2),
        ("把空调调到温和模式", 1),
        ("", 0),
    ],
)
def test_clauses_stand_between_commas_and_the_word_and(request_, number):
    assert len(clauses(request_)) == number


def test_the_papers_rows_are_fractions_by_category():
    rows = paper_rows()
    assert len(rows) == 27
    assert rows[0].cells["VS"] == Cell(0.0249, 0.0468)
    assert {row.model: row.cells for row in rows}["Qwen2.5-7B, 4-shot + RAG"]["ALL"].f1 == 0.4199


def test_the_papers_overall_em_follows_from_its_categories_but_where_it_does_not():
    off = set()
    for row in paper_rows():
        parts = sum(PAPER_RECORDS[c] * row.cells[c].em for c in ("VS", "IS", "VM", "IM", "MM"))
        if abs(parts / PAPER_RECORDS["ALL"] - row.cells["ALL"].em) > 0.0006:
            off.add(row.model)
    # As copied: these four disagree with themselves in the paper.
    assert off <= {"DeepSeek-V3", "QwQ-32B", "Qwen2.5-72B, 4-shot", "DeepSeek-R1, 4-shot"}
