"""The one-file HTML report, read as text and as elements; a browser's view is in tests/browser."""

import base64
import hashlib
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.comparison.html import render_html
from rdagent.comparison.page import numbers
from rdagent.comparison.page.markup import Markup, foreign, tag
from rdagent.comparison.page.payload import cut_parts, payload
from rdagent.comparison.page.plot import frames, scale
from rdagent.comparison.report import DiffPart, Flip, Looks
from tests.unit.comparison.sample_report import NASTY, sample_report

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


class Elements(HTMLParser):
    """Everything of a page that an assertion asks for."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.ids, self.texts = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


def content_of(page, opening, closing):
    return page.split(opening, 1)[1].split(closing, 1)[0]


def text_of(page):
    return " ".join(" ".join(Elements(page).texts).split())


def data_of(page):
    return json.loads(content_of(page, 'id="flip-data">', "</script>"))


def with_first(report, **changes):
    first, *rest = report.candidates
    return replace(report, candidates=(replace(first, **changes), *rest))


def row_of(page, task):
    rows = content_of(page, 'id="tasks"', "</table>").split("<tr>")
    (found,) = [row for row in rows if f"<bdi>{task}</bdi>" in row]
    return " ".join(re.sub("<[^>]+>", " ", found).split())


# ---- one file that asks for nothing


def test_the_policy_names_the_hashes_of_the_one_script_and_the_one_style():
    page = render_html(sample_report())
    policy = content_of(page, 'Content-Security-Policy" content="', '"').split("; ")
    for kind, opening, closing in (
        ("script-src", "<script>", "</script>"),
        ("style-src", "<style>", "</style>"),
    ):
        content = content_of(page, opening, closing)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in " ".join(policy)


def test_nothing_in_the_page_points_outside_it():
    page = render_html(sample_report(candidates=2))
    found = Elements(page)
    assert not re.search(r"https?:|//[a-z]", page.split("<script>")[0])
    assert '<link rel="icon" href="data:,">' in page  # else a browser asks for one
    assert set(found.values("href")) - {"data:,"} <= {f"#{key}" for key in found.ids}
    assert found.values("src") == []
    assert "url(" not in content_of(page, "<style>", "</style>")


def test_the_script_never_writes_markup_or_runs_text():
    script = content_of(render_html(sample_report()), "<script>", "</script>")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in script


def test_ids_are_unique_and_every_reference_finds_one():
    found = Elements(render_html(sample_report(candidates=3, flips=9, forced=True)))
    assert len(found.ids) == len(set(found.ids))
    named = " ".join([*found.values("aria-labelledby"), *found.values("for")]).split()
    assert set(named) <= set(found.ids)


def test_equal_reports_give_equal_pages():
    assert render_html(sample_report(3, 12)) == render_html(sample_report(3, 12))


# ---- text of others


@pytest.mark.parametrize("candidates", [1, 2])
def test_hostile_text_adds_no_element_and_no_attribute(candidates):
    clean = Elements(render_html(sample_report(candidates, 42, forced=True)))
    nasty = Elements(render_html(sample_report(candidates, 42, nasty=True, forced=True)))
    assert set(nasty.tags) <= set(clean.tags)
    names = {(tag, name) for tag, name, _ in nasty.attributes}
    assert names <= {(tag, name) for tag, name, _ in clean.attributes}
    assert nasty.tags.count("script") == 2
    assert not [name for _, name in names if name.startswith("on")]


def test_hostile_text_can_be_read():
    page = render_html(sample_report(flips=42, nasty=True))
    assert "&lt;script&gt;window.pwned=1&lt;/script&gt;" in page
    shown = text_of(page)
    for text in NASTY[:15]:
        assert " ".join(text.split()) in shown


def test_no_control_or_direction_character_and_no_half_pair_reaches_the_page():
    page = render_html(sample_report(flips=42, nasty=True, forced=True))
    assert not _UNSEEN.search(page)
    assert not _UNSEEN.search(json.dumps(data_of(page), ensure_ascii=False).replace("\\n", ""))
    page.encode("utf-8")


def test_the_embedded_data_holds_no_character_that_html_reads():
    page = render_html(sample_report(flips=42, nasty=True))
    raw = content_of(page, 'id="flip-data">', "</script>")
    assert not set(raw) & set("<>&\u2028\u2029")
    assert "<script>" in json.dumps(json.loads(raw))


@given(st.text(), st.text())
def test_an_element_gives_back_its_text_and_attribute(text, value):
    found = Elements(tag("p", text, title=value))
    assert found.tags == ["p"]
    assert "".join(found.texts) == seen(text)
    assert found.values("title") == [seen(value)]


def seen(text):
    from rdagent.files.printable import printable

    return printable(text)


def test_only_markup_is_written_as_it_stands():
    assert tag("p", "<b>", Markup("<i></i>")) == "<p>&lt;b&gt;<i></i></p>"
    assert foreign("a\u202eb<") == "<bdi>a\ufffdb&lt;</bdi>"


# ---- what is said


def test_what_differs_comes_before_every_number():
    page = render_html(sample_report(candidates=2))
    places = [page.index(f'id="{name}"') for name in ("comparability", "matrix", "c1-tasks")]
    assert places == sorted(places)
    page = render_html(sample_report())
    assert page.index('id="comparability"') < page.index('id="summary"') < page.index('id="tasks"')
    before = page[: page.index('id="summary"')]
    assert "%" not in re.sub("<[^>]+>", "", content_of(before, 'id="comparability"', "zzz"))


def test_a_task_stands_in_the_list_of_its_verdict_alone():
    summary = content_of(render_html(sample_report()), 'id="summary"', 'class="note"')
    lists = re.split("<h3>", summary)[1:]
    named = {text.split(" ")[0]: re.findall(r"<b><bdi>(\w+)", text) for text in lists}
    assert named == {
        "Improvements": ["wikitext", "gsm8k", "minerva_math_algebra"],
        "Regressions": ["drop", "boolq"],
        "Not": ["hellaswag", "winogrande", "mmlu_college_chemistry", "mmlu_machine_learning"],
        "Untested": ["triviaqa"],
    }


def test_a_row_carries_every_number_of_its_task():
    row = row_of(render_html(sample_report()), "gsm8k")
    assert row == (
        "gsm8k target exact_match,flexible-extract 264 10.61% 26.52% +15.91 +10.49 to +21.33 "
        "8 / 50 <0.0001 <0.0001 <0.0001 8.08 planned 7.71 ▲ improved".replace("<", "&lt;")
    )


def test_an_untested_row_says_so_and_shows_no_empty_number():
    row = row_of(render_html(sample_report()), "triviaqa")
    assert "not tested" in row
    assert row.endswith("untested")
    assert "None" not in row
    assert "nan" not in row.lower()


def test_a_metric_that_is_no_share_has_no_percent_sign():
    row = row_of(render_html(sample_report()), "wikitext")
    assert "lower is better" in row
    assert "%" not in row
    assert "\N{MINUS SIGN}1.3081" in row


def test_a_forced_report_says_so_at_the_top():
    page = render_html(sample_report(forced=True))
    assert page.index("Forced comparison") < page.index("<h1>")
    assert 'body class="forced"' in page
    assert "Forced comparison" not in render_html(sample_report()).split("<body")[1]


def test_a_fatal_finding_that_was_not_overridden_leaves_no_number():
    report = with_first(
        sample_report(forced=True), tasks=(), others=(), averages=(), breakdowns=(), groups=(),
        flips=(), flip_counts=(),
    )  # fmt: skip
    page = render_html(replace(report, forced=False))
    assert page.index("Not comparable. ") < page.index("<h1>")
    assert 'id="comparability"' in page
    assert 'id="tasks"' not in page


def test_what_qualifies_the_numbers_is_marked_at_the_top():
    top = text_of(render_html(sample_report()).split("<nav")[0])
    assert "Limited run limit 0.2: the first 20% of each task ( base , adapter )" in top
    assert "Contaminated items of these tasks were among the training rows: mmlu_mach" in top
    assert "compared on these benchmarks 3 times" in top


def test_a_first_look_is_called_the_first():
    report = replace(sample_report(), looks=Looks(count=1, candidates=0))
    assert "the first comparison with this base" in text_of(render_html(report))


def test_gains_of_form_and_reversals_are_pointed_out():
    text = text_of(render_html(sample_report()))
    assert "Format-only gain" in text
    assert "Simpson's paradox" in text


def test_a_finding_that_all_candidates_share_is_listed_once():
    page = render_html(sample_report(candidates=3))
    assert content_of(page, 'id="comparability"', 'id="matrix"').count("chat template") == 1


def test_the_files_that_were_read_are_named_with_their_sums():
    report = sample_report()
    page = render_html(report)
    for name, digest in report.base.files.items():
        assert name in page
        assert digest in page


@pytest.mark.parametrize("delta", [0.0, -0.00001, 0.00004])
def test_a_difference_that_rounds_to_nothing_has_no_sign(delta):
    assert numbers.difference(delta) == "0.00"


def test_an_empty_report_is_a_page():
    empty = with_first(
        sample_report(), tasks=(), others=(), averages=(), breakdowns=(), groups=(), flips=(),
        flip_counts=(), findings=(),
    )  # fmt: skip
    text = text_of(render_html(empty))
    assert "No task has numbers on both sides." in text
    assert "No flip is in this report" in text
    assert "Nothing differs among the settings" in text


# ---- the drawing


def drawn(page):
    return content_of(page, 'class="plot wide">', "</svg>")


def test_every_interval_lies_inside_the_drawing_on_its_side_of_zero():
    tasks = [row for row in sample_report().candidates[0].tasks if row.ratio]
    for frame in frames(tasks):
        found = scale(tasks, 0.02, frame)
        for row in tasks:
            ends = (row.ci_low, row.delta, row.ci_high)
            places = [found.x(end) for end in ends if end is not None]
            assert places == sorted(places)
            assert frame.left <= places[0] <= places[-1] <= frame.right
            assert (found.x(row.delta) > found.x(0)) == (row.delta > 0)
        assert found.x(0) in [found.x(tick) for tick in found.ticks()]
        assert len(found.ticks()) <= frame.most_ticks + 3


def test_two_equal_models_without_margin_can_be_drawn():
    one = replace(sample_report().candidates[0].tasks[0], delta=0.0, ci_low=None, ci_high=None)
    report = with_first(sample_report(), tasks=(one,))
    report = replace(report, settings=replace(report.settings, margin=0.0))
    assert "NaN" not in drawn(render_html(report))


def test_the_drawing_tells_verdicts_by_form_and_word():
    svg = drawn(render_html(sample_report()))
    for word in ("improved", "regressed", "equivalent", "no evidence", "underpowered", "untested"):
        assert f">{word}</text>" in svg
    assert "<title" in svg
    assert "gsm8k +15.91 points, improved" in content_of(svg, "<desc", "</desc>")


# ---- flips


def test_the_data_holds_every_flip_of_every_candidate():
    report = sample_report(candidates=2, flips=9)
    found = data_of(render_html(report))
    assert found["candidates"] == ["adapter", "adapter-2"]
    flips = [flip for one in report.candidates for flip in one.flips]
    assert [(row[0], found["tasks"][row[1]], row[3], row[4]) for row in found["flips"]] == [
        (place, flip.task, flip.item, flip.question)
        for place, one in enumerate(report.candidates)
        for flip in one.flips
    ]
    for row, flip in zip(found["flips"], flips, strict=True):
        base = "".join(part[1:] for part in row[8] if part[0] in "=-")
        candidate = "".join(part[1:] for part in row[8] if part[0] in "=+")
        assert (base, candidate) == (flip.base_answer, flip.candidate_answer)


def test_answers_that_the_diff_does_not_hold_are_carried_whole():
    flip = replace(sample_report().candidates[0].flips[0], diff=(DiffPart("base", "other words"),))
    (row,) = data_of(render_html(with_first(sample_report(), flips=(flip,))))["flips"]
    assert row[8:] == [[], flip.base_answer, flip.candidate_answer]


def test_ten_thousand_flips_of_ordinary_length_fit_whole():
    page = render_html(sample_report(flips=10_000))
    assert len(page.encode()) < 5_000_000
    assert "This page holds all 10,000 of the report." in page
    unpacked = zlib.decompress(base64.b64decode(data_of(page)["packed"]))
    assert len(json.loads(unpacked)["flips"]) == 10_000


def long_report(flips, length):
    """A report whose texts do not repeat, so that they pack badly."""

    def noise(seed):
        some = hashlib.shake_256(str(seed).encode()).hexdigest(length // 2)
        return " ".join(some[place : place + 8] for place in range(0, len(some), 8))

    report = sample_report(flips=flips)
    return with_first(report, flips=tuple(
        replace(flip, question=noise(number), base_answer=noise(-number), diff=())
        for number, flip in enumerate(report.candidates[0].flips)
    ))  # fmt: skip


def test_long_texts_are_cut_so_that_the_page_stays_small_and_it_says_so():
    page = render_html(long_report(1_500, 9_000))
    assert len(page.encode()) < 5_000_000
    assert re.search(r"texts are cut after [\d,]+ characters", page)
    assert "The report as JSON holds everything." in page


def test_flips_are_left_out_only_when_short_texts_still_are_too_many():
    carried = payload(long_report(400, 400), room=30_000)
    assert carried.cut is not None
    assert 0 < carried.shown < carried.total == 400
    assert len(carried.content.encode()) <= 30_000


def test_twenty_flips_stand_in_the_page_for_reading_without_a_script():
    page = render_html(sample_report(flips=30))
    assert page.count("<article") == 20
    assert "The first 20 of 30 flips" in page
    assert re.search(r'<div id="flip-browser" hidden>', page)


_PARTS = st.lists(
    st.builds(
        DiffPart, st.sampled_from(["same", "base", "candidate"]), st.text("ab c", max_size=9)
    ),
    max_size=8,
)


def flip_of(parts):
    def joined(side):
        return "".join(part.text for part in parts if part.part in ("same", side))

    return Flip("t", "0", "gained", "q", "1", joined("base"), joined("candidate"), "", "", parts)


@given(_PARTS.map(tuple), st.integers(1, 12))
def test_a_cut_diff_shows_the_beginning_of_both_answers(parts, cap):
    flip = flip_of(parts)
    found = cut_parts(flip, cap)
    if not parts:
        assert found is None
        return
    for side, answer in (("base", flip.base_answer), ("candidate", flip.candidate_answer)):
        shown = "".join(part.text for part in found if part.part in ("same", side))
        whole, cut, _ = shown.partition(" […]")
        assert answer.startswith(whole)
        assert len(whole) <= cap
        if not cut:
            assert whole == answer
        else:
            assert max(len(flip.base_answer), len(flip.candidate_answer)) > cap
