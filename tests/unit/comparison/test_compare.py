"""Two folders of results in, one report out."""

import json
import random
from dataclasses import replace

import pytest

from rdagent.comparison.compare import Options, compare
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import read_side
from rdagent.comparison.report import Looks, Settings
from rdagent.errors import UsageError
from tests.unit.comparison.builders import TaskSpec, write_side


def binary(both, b, c, neither):
    """Return base's and candidate's values with these four counts, in a mixed order."""
    pairs = [(1.0, 1.0)] * both + [(1.0, 0.0)] * b + [(0.0, 1.0)] * c + [(0.0, 0.0)] * neither
    random.Random(0).shuffle(pairs)
    return [list(values) for values in zip(*pairs, strict=True)]


def compared(tmp_path, base, *others, settings=None, groups=None, **options):
    """Write one folder for each model's tasks and compare the first with the rest."""
    folders = []
    for number, tasks in enumerate((base, *others)):
        folder = tmp_path / ("base" if number == 0 else f"tuned{number}")
        write_side(folder, model=folder.name, tasks=tasks, groups=groups)
        folders.append(str(folder))
    sides = [read_side(source) for source in find_sources(folders, tmp_path / "runs")]
    told = Options(settings=settings or Settings(), **options)
    return compare(sides[0], sides[1:], told, Looks(1, 1))


def one_task(tmp_path, values, changed=None, **options):
    spec = TaskSpec(values[0])
    other = replace(spec, values=values[1], **(changed or {}))
    report = compared(tmp_path, {"t": spec}, {"t": other}, **options)
    (candidate,) = report.candidates
    return candidate


def test_b_counts_what_the_base_alone_has_right_and_c_the_reverse(tmp_path):
    (row,) = one_task(tmp_path, binary(10, 3, 17, 70)).tasks
    assert (row.n, row.b, row.c) == (100, 3, 17)
    assert row.base == pytest.approx(0.13)
    assert row.candidate == pytest.approx(0.27)
    assert row.delta == pytest.approx(0.14)
    assert row.ci_low < 0.14 < row.ci_high
    assert row.test == "mcnemar exact"
    assert row.verdict == "improved"


def test_where_less_is_better_the_right_items_are_the_zeros(tmp_path):
    values = binary(10, 3, 17, 70)
    spec = TaskSpec(values[0], metric="brier_score", higher_is_better=False)
    report = compared(tmp_path, {"t": spec}, {"t": spec.with_values(values[1])})
    (row,) = report.candidates[0].tasks
    assert (row.b, row.c) == (17, 3)
    assert row.delta == pytest.approx(0.14)
    assert row.ci_low < row.delta < row.ci_high
    assert row.verdict == "regressed"


def test_graded_scores_are_tested_by_sign_flips(tmp_path):
    drawn = random.Random(1)
    base = [drawn.random() for _ in range(60)]
    (row,) = one_task(tmp_path, [base, [min(1.0, value + 0.2) for value in base]]).tasks
    assert row.test == "sign flips"
    assert (row.b, row.c) == (None, None)
    assert row.ci_low < row.delta < row.ci_high
    assert row.verdict == "improved"


def test_items_of_one_passage_are_one_cluster(tmp_path):
    docs = [{"question": f"q{n}", "passage": f"p{n // 10}"} for n in range(400)]
    values = [[0.0] * 400, [1.0 if (n // 10) % 4 == 0 else 0.0 for n in range(400)]]
    spec = TaskSpec(values[0], docs=docs)
    report = compared(
        tmp_path,
        {"drop": spec, "other": spec},
        {"drop": spec.with_values(values[1]), "other": spec.with_values(values[1])},
    )
    drop, other = report.candidates[0].tasks
    assert drop.clusters == 40
    assert other.clusters is None
    assert drop.ci_high - drop.ci_low > 2 * (other.ci_high - other.ci_low)
    assert drop.p > other.p


def test_a_field_can_be_named_as_the_cluster(tmp_path):
    docs = [{"question": f"q{n}", "family": f"f{n // 5}"} for n in range(100)]
    spec = TaskSpec(binary(10, 10, 30, 50)[0], docs=docs)
    other = spec.with_values(binary(10, 10, 30, 50)[1])
    report = compared(tmp_path, {"t": spec}, {"t": other}, clusters={"t": "family"})
    assert report.candidates[0].tasks[0].clusters == 20


def test_items_that_are_all_one_cluster_are_not_tested(tmp_path):
    docs = [{"question": f"q{n}", "family": "one"} for n in range(100)]
    spec = TaskSpec(binary(10, 10, 30, 50)[0], docs=docs)
    other = spec.with_values(binary(10, 10, 30, 50)[1])
    report = compared(tmp_path, {"t": spec}, {"t": other}, clusters={"t": "family"})
    assert report.candidates[0].tasks[0].verdict == "untested"


def test_the_family_is_every_task_of_every_candidate(tmp_path):
    base, tuned = binary(10, 4, 16, 70)
    spec = TaskSpec(base)
    tasks = {f"t{n}": spec for n in range(3)}
    gained = {"t0": spec.with_values(tuned), "t1": spec, "t2": spec}
    report = compared(tmp_path, tasks, gained, {**gained, "t0": spec})
    first = report.candidates[0].tasks[0]
    assert first.p_holm == pytest.approx(6 * first.p)
    assert report.candidates[1].tasks[0].p_holm == pytest.approx(1.0)


def test_a_fatal_finding_leaves_no_numbers_unless_it_is_forced(tmp_path):
    values = binary(10, 3, 17, 70)
    one = one_task(tmp_path / "a", values, {"version": 2.0})
    assert one.fatal
    assert one.tasks == ()
    assert one.overall.verdict == "not comparable"
    forced = one_task(tmp_path / "b", values, {"version": 2.0}, force=True)
    assert forced.fatal
    assert forced.tasks[0].verdict == "improved"


def test_scores_without_items_are_compared_and_not_tested(tmp_path):
    for name, value in (("base", 0.105), ("tuned", 0.2652)):
        (tmp_path / f"{name}.json").write_text(
            f'{{"model": "{name}", "results": {{"gsm8k": {{"exact_match": {value}}}}}}}'
        )
    words = [str(tmp_path / "base.json"), str(tmp_path / "tuned.json")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    report = compare(sides[0], sides[1:], Options(), Looks(1, 1))
    (row,) = report.candidates[0].tasks
    assert row.delta == pytest.approx(0.1602)
    assert row.relative == pytest.approx(1.5257, abs=1e-3)
    assert (row.n, row.p, row.ci_low) == (0, None, None)
    assert row.verdict == "untested"
    assert report.overall.verdict == "untested"


def test_a_base_at_zero_gives_no_share_of_it(tmp_path):
    (row,) = one_task(tmp_path, binary(0, 0, 30, 70)).tasks
    assert row.relative is None


def test_strict_gains_without_flexible_ones_are_of_the_format_alone(tmp_path):
    base, tuned = binary(10, 2, 40, 48)
    spec = TaskSpec(base, filter="strict-match", more={"exact_match,flexible-extract": base})
    gain = replace(spec, values=tuned)
    (row,) = compared(tmp_path / "a", {"gsm8k": spec}, {"gsm8k": gain}).candidates[0].tasks
    assert row.format_only
    both = replace(gain, more={"exact_match,flexible-extract": tuned})
    (row,) = compared(tmp_path / "b", {"gsm8k": spec}, {"gsm8k": both}).candidates[0].tasks
    assert not row.format_only


def test_other_metrics_stand_apart_with_a_family_of_their_own(tmp_path):
    base, tuned = binary(10, 4, 16, 70)
    spec = TaskSpec(base, filter="strict-match", more={"exact_match,flexible-extract": base})
    gain = replace(spec, values=tuned)
    one = compared(tmp_path, {"gsm8k": spec}, {"gsm8k": gain}).candidates[0]
    assert [row.filter for row in one.tasks] == ["flexible-extract"]
    assert [row.filter for row in one.others] == ["strict-match"]
    assert one.overall.verdict == "inconclusive"


def test_a_metric_can_be_named_in_place_of_the_known_one(tmp_path):
    base, tuned = binary(10, 4, 16, 70)
    spec = TaskSpec(base, filter="strict-match", more={"exact_match,flexible-extract": base})
    one = compared(
        tmp_path,
        {"gsm8k": spec},
        {"gsm8k": replace(spec, values=tuned)},
        metrics={"gsm8k": "exact_match,strict-match"},
    ).candidates[0]
    assert [row.filter for row in one.tasks] == ["strict-match"]


def test_groups_are_worked_out_from_their_members_and_count_once(tmp_path):
    base, tuned = binary(10, 4, 26, 60)
    spec = TaskSpec(base, metric="acc")
    small = TaskSpec([0.0] * 20, metric="acc")
    report = compared(
        tmp_path,
        {"one": spec, "two": small},
        {"one": spec.with_values(tuned), "two": small},
        groups={"both": ["one", "two"]},
    )
    one = report.candidates[0]
    assert [row.task for row in one.tasks] == ["one", "two"]
    (group,) = one.groups
    assert group.n == 120
    assert group.delta == pytest.approx(22 / 120)
    assert group.interval.low < group.delta < group.interval.high
    macro, micro = one.averages
    assert macro.tasks == 2
    assert macro.delta == pytest.approx(0.11)
    assert micro.delta == pytest.approx(22 / 120)


def test_an_average_without_a_flip_still_has_an_interval_with_a_width(tmp_path):
    values = binary(10, 0, 0, 30)
    one = one_task(tmp_path, values)
    assert one.averages[0].interval.high > 0.02


def test_a_whole_that_goes_against_all_its_parts_is_named(tmp_path):
    # Each subject falls; the candidate's items of the easy one are many, as the base's are not.
    docs = [{"question": f"q{n}", "subject": "a" if n < 50 else "b"} for n in range(100)]
    values = binary(10, 10, 30, 50)
    spec = TaskSpec(values[0], docs=docs)
    one = compared(tmp_path, {"t": spec}, {"t": spec.with_values(values[1])}).candidates[0]
    (breakdown,) = [found for found in one.breakdowns if found.cut == "subject"]
    assert {part.name for part in breakdown.strata} == {"a", "b"}
    assert sum(part.n for part in breakdown.strata) == 100
    assert not breakdown.simpson


def test_flips_of_both_directions_hold_what_both_models_said(tmp_path):
    one = one_task(tmp_path, binary(5, 2, 3, 5))
    (count,) = one.flip_counts
    assert (count.gained, count.lost) == (3, 2)
    assert {flip.direction for flip in one.flips} == {"gained", "lost"}
    flip = next(flip for flip in one.flips if flip.direction == "gained")
    assert flip.question.startswith("Question")
    assert flip.base_answer != flip.candidate_answer
    assert "".join(part.text for part in flip.diff if part.part != "candidate") == flip.base_answer
    assert "".join(part.text for part in flip.diff if part.part != "base") == flip.candidate_answer


def test_too_many_flips_are_drawn_alike_each_time(tmp_path):
    values = binary(0, 0, 100, 0)
    first = one_task(tmp_path / "a", values, flips=5).flips
    again = one_task(tmp_path / "b", values, flips=5).flips
    assert [flip.item for flip in first] == [flip.item for flip in again]
    assert len(first) == 5


def test_a_task_on_one_side_only_is_named_and_not_compared(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 10)
    one = compared(tmp_path, {"t": spec, "old": spec}, {"t": spec, "new": spec}).candidates[0]
    assert [row.task for row in one.tasks] == ["t"]
    assert (one.only_base, one.only_candidate) == (("old",), ("new",))


def test_unpaired_items_are_counted_and_named(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 10)
    part = replace(spec, values=[1.0, 0.0] * 6)
    (row,) = compared(tmp_path, {"t": spec}, {"t": part}).candidates[0].tasks
    assert (row.n, row.only_base, row.only_candidate) == (12, 8, 0)
    assert row.unpaired_ids[:2] == ("12", "13")


@pytest.mark.parametrize(
    "values",
    [
        [[1.0], [1.0]],
        [[1.0], [0.0]],
        [[0.0] * 30, [0.0] * 30],
        [[1.0] * 30, [1.0] * 30],
        [[0.5] * 30, [0.5] * 30],
        [[0.25], [0.75]],
        [[0.0] * 30, [1.0] * 30],
        [[None] * 5, [None] * 5],
    ],
)
def test_small_and_even_results_are_never_news_and_never_break(tmp_path, values):
    one = one_task(tmp_path, values)
    sure = values == [[0.0] * 30, [1.0] * 30]
    found = {row.verdict for row in one.tasks}
    assert found <= ({"improved"} if sure else {"no evidence", "underpowered", "untested"})


def test_targets_and_guards_may_be_groups_and_have_to_be_known(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 10, metric="acc")
    tasks, groups = {"one": spec, "two": spec}, {"both": ["one", "two"]}
    report = compared(
        tmp_path / "a", tasks, tasks, groups=groups, settings=Settings(guards=("both",))
    )
    assert all(row.is_guard for row in report.candidates[0].tasks)
    with pytest.raises(UsageError, match="--target three"):
        compared(tmp_path / "b", tasks, tasks, settings=Settings(targets=("three",)))


def stopped(folder, decision, p):
    """Write into results that their run ended when this was decided."""
    (path,) = folder.rglob("results*.json")
    document = json.loads(path.read_text())
    verdict = {"decision": decision, "decided_at": 100, "b": 3, "c": 17, "e": 1 / p, "p": p}
    task = {"stopped": True, "planned": 500, "answered": 100, "metric": "exact_match,none"}
    task |= {"adapters": {"tuned": verdict}, "why_not": None}
    document["config"]["stop_when_decided"] = {
        "alpha": 0.05, "comparisons": 1, "seed": 1, "stopped": True, "tasks": {"t": task}
    }  # fmt: skip
    path.write_text(json.dumps(document))


def test_a_run_that_stopped_when_decided_is_judged_by_the_test_that_stopped_it(tmp_path):
    values = binary(10, 3, 17, 70)
    for name, of in (("base", values[0]), ("tuned", values[1])):
        write_side(tmp_path / name, model=name, tasks={"t": TaskSpec(of)})
        stopped(tmp_path / name, "improved", 0.011)
    words = [str(tmp_path / name) for name in ("base", "tuned")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    report = compare(sides[0], sides[1:], Options(), Looks(1, 1))
    (row,) = report.candidates[0].tasks
    assert (row.test, row.p) == ("e-process, stopped when decided", 0.011)
    assert (row.ci_low, row.ci_high) == (None, None)
    assert row.verdict == "improved"
    assert "stopped when decided" in report.base.limited
    assert report.candidates[0].averages[0].interval is None


def test_a_task_without_a_number_on_one_side_is_named_and_items_are_counted(tmp_path):
    values = binary(10, 3, 17, 70)
    holes = [*[None] * 10, *values[1][10:]]
    spec = TaskSpec(values[0])
    text = replace(spec, reported={"exact_match,none": "N/A"})
    report = compared(tmp_path, {"t": spec, "u": spec}, {"t": spec.with_values(holes), "u": text})
    (candidate,) = report.candidates
    (row,) = candidate.tasks
    assert (row.n, row.without_number) == (90, 10)
    said = {(one.level, one.field, one.task) for one in candidate.findings}
    assert ("WARN", "samples", "t") in said
    assert ("WARN", "metric", "u") in said


def test_a_target_that_has_no_score_leaves_the_whole_open(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 50)
    text = replace(spec, reported={"exact_match,none": "N/A"})
    report = compared(tmp_path, {"t": spec, "u": spec}, {"t": spec, "u": text},
                      settings=Settings(guards=("u",)))  # fmt: skip
    assert report.overall.verdict == "inconclusive"
    assert "u" in report.overall.reason


def test_one_samples_file_is_not_two_models(tmp_path):
    values = binary(10, 3, 33, 54)
    spec = TaskSpec(values[0])
    write_side(tmp_path, model="m", tasks={"t": spec.with_values(values[1])})
    (results,) = tmp_path.rglob("results*.json")
    for name, score in (("base", 0.13), ("tuned", 0.43)):
        document = json.loads(results.read_text())
        document["results"]["t"]["exact_match,none"] = score
        (results.parent / f"{name}.json").write_text(json.dumps(document))
    words = [str(results.parent / f"{name}.json") for name in ("base", "tuned")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    (row,) = compare(sides[0], sides[1:], Options(), Looks(1, 1)).candidates[0].tasks
    assert row.verdict == "untested"
    assert row.delta == pytest.approx(0.3)


def test_items_that_contradict_their_results_are_not_tested(tmp_path):
    values = binary(10, 3, 33, 54)
    spec = TaskSpec(values[0])
    other = replace(spec, values=values[1], reported={"exact_match,none": 0.9})
    (row,) = compared(tmp_path, {"t": spec}, {"t": other}).candidates[0].tasks
    assert row.verdict == "untested"
    assert "another score" in row.reason


def test_a_strict_gain_that_the_flexible_one_may_equal_is_not_of_the_format_alone(tmp_path):
    base, strict = binary(10, 5, 20, 25)
    flexible = binary(10, 6, 17, 27)
    spec = TaskSpec(base, filter="strict-match", more={"exact_match,flexible-extract": flexible[0]})
    gain = replace(spec, values=strict, more={"exact_match,flexible-extract": flexible[1]})
    (row,) = compared(tmp_path, {"gsm8k": spec}, {"gsm8k": gain}).candidates[0].tasks
    assert not row.format_only


def test_a_mix_of_items_that_turns_the_whole_against_its_parts_is_named(tmp_path):
    # Paired items of both subjects improve; each side was asked another mix of them.
    def docs(easy, hard):
        found = [{"question": f"e{n}", "subject": "easy"} for n in range(easy)]
        return found + [{"question": f"h{n}", "subject": "hard"} for n in range(hard)]

    base = [float(n >= 27) for n in range(90)] + [float(n < 2) for n in range(20)]
    tuned = [float(n < 18) for n in range(20)] + [float(n < 27) for n in range(90)]
    report = compared(
        tmp_path,
        {"t": TaskSpec(base, docs=docs(90, 20), ids=range(110))},
        {"t": TaskSpec(tuned, docs=docs(20, 90), ids=[*range(20), *range(90, 180)])},
    )
    (candidate,) = report.candidates
    (row,) = candidate.tasks
    assert row.delta > 0 > row.candidate_reported - row.base_reported
    assert any(one.simpson for one in candidate.breakdowns if one.cut == "subject")


def test_two_scales_are_no_difference_in_points(tmp_path):
    for name, value in (("base", 0.105), ("tuned", 26.52)):
        (tmp_path / f"{name}.json").write_text(
            f'{{"model": "{name}", "results": {{"gsm8k": {{"exact_match": {value}}}}}}}'
        )
    words = [str(tmp_path / "base.json"), str(tmp_path / "tuned.json")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    (candidate,) = compare(sides[0], sides[1:], Options(), Looks(1, 1)).candidates
    assert not candidate.tasks[0].ratio
    assert candidate.averages == ()
    assert "scale" in {one.field for one in candidate.findings}


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": {"t": "exact_mach"}},
        {"metrics": {"u": "exact_match"}},
        {"clusters": {"u": "family"}},
        {"clusters": {"t": "nothing"}},
        {"tasks": ("t", "u")},
    ],
)
def test_names_that_are_not_there_are_refused(tmp_path, options):
    spec = TaskSpec([1.0, 0.0] * 10)
    with pytest.raises(UsageError):
        compared(tmp_path, {"t": spec}, {"t": spec}, **options)


def test_a_group_may_be_asked_for_by_name(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 10, metric="acc")
    tasks = {"one": spec, "two": spec, "three": spec}
    report = compared(tmp_path, tasks, tasks, groups={"both": ["one", "two"]}, tasks=("both",))
    assert [row.task for row in report.candidates[0].tasks] == ["one", "two"]


def test_no_task_on_both_sides_is_not_comparable(tmp_path):
    spec = TaskSpec([1.0, 0.0] * 10)
    report = compared(tmp_path, {"t": spec}, {"u": spec})
    assert report.overall.verdict == "not comparable"


@pytest.mark.parametrize("huge", ["1e120", "1e308", "-1e200"])
def test_scores_that_no_sum_can_hold_are_none(tmp_path, huge):
    for name in ("base", "tuned"):
        write_side(tmp_path / name, model=name, tasks={"t": TaskSpec([0.5] * 30)})
        (path,) = (tmp_path / name).rglob("samples*.jsonl")
        path.write_text(path.read_text().replace('"exact_match": 0.5', f'"exact_match": {huge}', 1))
    words = [str(tmp_path / name) for name in ("base", "tuned")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    (row,) = compare(sides[0], sides[1:], Options(), Looks(1, 1)).candidates[0].tasks
    assert row.n == 29


def test_a_group_beside_its_tasks_counts_once_in_a_plain_file_of_scores(tmp_path):
    scores = {"mmlu_stem": 0.3, "mmlu_astronomy": 0.2, "mmlu_college_biology": 0.4}
    for name, more in (("base", 0.0), ("tuned", 0.1)):
        results = {task: {"acc": value + more} for task, value in scores.items()}
        (tmp_path / f"{name}.json").write_text(json.dumps({"model": name, "results": results}))
    words = [str(tmp_path / "base.json"), str(tmp_path / "tuned.json")]
    sides = [read_side(source) for source in find_sources(words, tmp_path)]
    (candidate,) = compare(sides[0], sides[1:], Options(), Looks(1, 1)).candidates
    assert [row.task for row in candidate.tasks] == ["mmlu_astronomy", "mmlu_college_biology"]
    assert candidate.averages[0].tasks == 2
