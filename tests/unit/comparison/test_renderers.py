"""Text, Markdown, CSV and JUnit of one report."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from rdagent.comparison.formats import FORMATS, write_all
from rdagent.comparison.markdown import LIMIT, render_markdown
from rdagent.comparison.report import Overall
from rdagent.comparison.tables import render_csv, render_junit
from rdagent.comparison.text import render_text
from tests.unit.comparison.sample_report import NASTY, sample_report

FORCED = {
    "text": "FORCED: these results are not comparable",
    "markdown": "Forced: these results are not comparable",
    "html": "A fatal difference was overridden with --force",
}
CONTROLS = "\x1b\x07\x00\u202e\u2066\u200f\ud800"


def parsed(text):
    return ElementTree.fromstring(text)  # noqa: S314 - written by ourselves


def test_a_task_is_printed_as_the_guide_prints_it():
    report = sample_report()
    (one,) = report.candidates
    guide = [
        ("gsm8k", 0.105, 0.2652, 0.1602, 1.526),
        ("winogrande", 0.512, 0.5512, 0.0392, 0.077),
        ("mmlu_college_chemistry", 0.30, 0.25, -0.05, -0.167),
    ]
    rows = tuple(
        replace(one.tasks[0], task=task, base=base, candidate=tuned, delta=delta, relative=relative)
        for task, base, tuned, delta, relative in guide
    )
    text = render_text(replace(report, candidates=(replace(one, tasks=rows),)))
    for block in (
        "📈 GSM8K\n   Base:      10.50%\n   Finetuned: 26.52%\n   Δ:        +16.02% (+152.6%)\n",
        "📈 WINOGRANDE\n   Base:      51.20%\n   Finetuned: 55.12%\n   Δ:         +3.92% (+7.7%)\n",
        "📉 MMLU_COLLEGE_CHEMISTRY\n   Base:      30.00%\n   Finetuned: 25.00%\n"
        "   Δ:         -5.00% (-16.7%)\n",
    ):
        assert block in text


def test_what_cannot_be_told_from_chance_is_in_neither_list():
    text = render_text(sample_report())
    lists = text[text.index("✅ Improvements") :]
    better, rest = lists.split("⚠️  Regressions", 1)
    worse, same = rest.split("〰  Not distinguishable", 1)
    assert "gsm8k" in better
    assert "boolq" in worse
    for task in ("winogrande", "hellaswag", "mmlu_college_chemistry"):
        assert task not in better + worse
        assert f"• {task}:" in same


def test_what_differs_stands_before_any_number():
    text = render_text(sample_report())
    assert text.index("Comparability:") < text.index("Base:  ")


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_every_page_says_that_it_was_forced(form):
    assert FORCED[form] in FORMATS[form](sample_report(forced=True))
    plain = FORMATS[form](sample_report())
    assert FORCED[form] not in plain[plain.find("</head>") :]


def test_the_tables_say_that_they_were_forced():
    rows = list(csv.DictReader(io.StringIO(render_csv(sample_report(forced=True)))))
    assert {row["forced"] for row in rows} == {"True"}
    assert "FORCED" in render_junit(sample_report(forced=True))


def test_without_force_a_fatal_finding_leaves_no_numbers():
    report = replace(sample_report(forced=True), forced=False)
    (one,) = report.candidates
    refused = replace(one, tasks=(), averages=(), overall=Overall("not comparable", "see above"))
    text = render_text(replace(report, candidates=(refused,)))
    assert "NOT COMPARABLE" in text
    assert "%" not in text.split("NOT COMPARABLE")[1]


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "junit"])
def test_no_control_or_direction_mark_of_a_strangers_text_reaches_a_reader(form):
    text = FORMATS[form](sample_report(nasty=True, flips=40))
    assert not set(CONTROLS) & set(text)


def test_markdown_has_no_html_of_a_strangers_outside_code():
    text = render_markdown(sample_report(nasty=True, flips=12))
    prose = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not any("<script" in line or "<img" in line for line in prose)
    assert not any("](" in line.replace("\\](", "") for line in prose)


def test_a_table_row_of_markdown_has_as_many_cells_as_its_head():
    text = render_markdown(sample_report(nasty=True))
    table = [line for line in text.splitlines() if line.startswith("|")]
    head = next(number for number, line in enumerate(table) if line.startswith("| task"))
    cells = [line.replace("\\|", "").count("|") for line in table[head:]]
    assert len(set(cells)) == 1


def test_markdown_is_cut_before_the_limit_and_says_so():
    whole = render_markdown(sample_report(candidates=10, flips=3000))
    assert len(whole) <= LIMIT
    assert whole.endswith("*Cut here: the whole report is in the JSON and HTML files.*\n")
    assert "Cut here" not in render_markdown(sample_report())


def test_csv_holds_fractions_of_every_task():
    report = sample_report(candidates=2)
    rows = list(csv.DictReader(io.StringIO(render_csv(report))))
    (row,) = (r for r in rows if (r["candidate_name"], r["task"]) == ("adapter", "boolq"))
    assert float(row["delta"]) == pytest.approx(report.candidates[0].tasks[6].delta)
    assert sum(row["primary"] == "True" for row in rows) == sum(
        len(one.tasks) for one in report.candidates
    )


def test_no_cell_of_the_csv_is_a_formula():
    rows = csv.reader(io.StringIO(render_csv(sample_report(nasty=True))))
    cells = [cell for row in rows for cell in row]
    words = [cell for cell in cells if not _is_number(cell)]
    assert any("HYPERLINK" in cell for cell in cells) or not any("=" in n[:1] for n in NASTY)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in words)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_a_build_server_sees_a_regression_as_a_failure_and_a_weak_task_as_skipped():
    root = parsed(render_junit(sample_report()))
    cases = {case.get("name").split()[0]: case for case in root.iter("testcase")}
    assert cases["boolq"].find("failure") is not None
    assert cases["mmlu_college_chemistry"].find("skipped") is not None
    assert cases["gsm8k"].find("failure") is None
    assert (root.get("failures"), root.get("errors")) == ("2", "0")
    assert int(root.get("tests")) == len(cases)


def test_a_build_server_sees_what_is_not_comparable_as_an_error():
    root = parsed(render_junit(sample_report(forced=True)))
    assert root.get("errors") == "1"


def test_junit_of_hostile_texts_is_well_formed():
    parsed(render_junit(sample_report(nasty=True)))


def test_several_candidates_end_in_a_list_of_all():
    text = render_text(sample_report(candidates=3))
    end = text[text.index("3 candidates against") :]
    assert all(f"{name}: mixed" in end for name in ("adapter", "adapter-2", "adapter-3"))


def test_a_folder_gets_every_format(tmp_path):
    write_all(sample_report(), tmp_path / "new" / "out")
    names = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    assert names == {f"report.{end}" for end in ("txt", "md", "json", "csv", "xml", "html")}
