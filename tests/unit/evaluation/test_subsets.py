"""Subsets on the host: made of a run's samples, held against the tasks that are asked for."""

import json

import pytest

from rdagent.cli.main import main
from rdagent.errors import RefusedError, ResultError, UsageError
from rdagent.evaluation.subsets import check_subset, read_subset, results_of, subset_of_results
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.records.subset import Subset, make_subset

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def rows(*values, metric="exact_match", after="flexible-extract"):
    return [
        {"doc_id": n, "doc_hash": digit * 64, "filter": after, metric: value}
        for n, (digit, value) in enumerate(zip("abcdef", values, strict=False))
    ]


@pytest.fixture
def results(tmp_path):
    """Write one variant's results and samples; returns its folder."""

    def write(samples, scores, run="r", variant="base"):
        folder = tmp_path / "runs" / run / "variants" / variant
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"results": scores}))
        for task, lines in samples.items():
            text = "\n".join(json.dumps(line) for line in lines)
            (folder / f"samples_{task}.jsonl").write_text(text)
        return folder

    return write


@pytest.fixture
def gsm8k(results):
    strict = rows(0, 0, 0, after="strict-match")
    scores = {"exact_match,flexible-extract": 0.33, "exact_match,strict-match": 0.0}
    return results({"gsm8k": [*rows(1.0, 0.0, 0), *strict]}, {"gsm8k": scores})


def made(folder, where, **options):
    return subset_of_results(folder, where, "s", **options).subset.tasks


def test_right_and_wrong_are_told_by_the_primary_metric_and_its_filter(gsm8k):
    assert made(gsm8k, "wrong") == {"gsm8k": (B, C)}
    assert made(gsm8k, "right") == {"gsm8k": (A,)}
    assert made(gsm8k, "all") == {"gsm8k": (A, B, C)}


def test_half_a_point_is_not_right(results):
    folder = results(
        {"drop": rows(0.5, 1.0, metric="f1", after="none")}, {"drop": {"f1,none": 0.75}}
    )
    assert made(folder, "wrong") == {"drop": (A,)}


def test_of_an_error_the_smallest_is_right(results):
    scores = {"mine": {"error_rate,none": 0.5}}
    folder = results({"mine": rows(0, 1, metric="error_rate", after="none")}, scores)
    assert made(folder, "right") == {"mine": (A,)}


def test_tasks_without_such_documents_are_named(results):
    scores = {"a": {"acc,none": 1.0}, "b": {"acc,none": 0.5}}
    samples = {
        "a": rows(1, metric="acc", after="none"),
        "b": rows(1, 0, metric="acc", after="none"),
    }
    found = subset_of_results(results(samples, scores), "wrong", "s")
    assert (dict(found.subset.tasks), found.empty) == ({"b": (B,)}, ("a",))


def test_nothing_at_all_is_refused(results):
    folder = results({"a": rows(1, metric="acc", after="none")}, {"a": {"acc,none": 1.0}})
    with pytest.raises(RefusedError, match="no document of a is wrong"):
        made(folder, "wrong")


def test_a_metric_that_tells_no_right_from_wrong_is_refused_unless_all_are_taken(results):
    folder = results(
        {"wikitext": rows([1, 2], metric="word_perplexity", after="none")},
        {"wikitext": {"word_perplexity,none": 12.0}},
    )
    with pytest.raises(RefusedError, match="wikitext: right and wrong cannot be told apart"):
        made(folder, "wrong")
    assert made(folder, "all") == {"wikitext": (A,)}


def test_a_metric_of_all_documents_together_is_refused(results):
    folder = results({"mine": rows([0, 1], metric="f1", after="none")}, {"mine": {"f1,none": 0.5}})
    with pytest.raises(RefusedError, match="hold no f1 of single documents"):
        made(folder, "right")


def test_only_the_tasks_that_are_named_are_taken(results):
    scores = {"a": {"acc,none": 1.0}, "b": {"acc,none": 0.5}}
    samples = {
        "a": rows(1, metric="acc", after="none"),
        "b": rows(1, 0, metric="acc", after="none"),
    }
    folder = results(samples, scores)
    assert made(folder, "right", tasks=["a"]) == {"a": (A,)}
    with pytest.raises(UsageError, match="no results of c"):
        made(folder, "right", tasks=["c"])


@pytest.mark.parametrize(
    "line", ["{", "[]", "5", '{"filter": "none"}', '{"acc": 0, "doc_hash": "x"}']
)
def test_damaged_samples_are_said(results, line):
    folder = results({"a": []}, {"a": {"acc,none": 0.5}})
    (folder / "samples_a.jsonl").write_text(line)
    with pytest.raises(ResultError):
        made(folder, "all")


def test_samples_that_are_missing_are_said(results):
    with pytest.raises(ResultError, match=r"samples_a\.jsonl is missing"):
        made(results({}, {"a": {"acc,none": 0.5}}), "wrong")


def test_the_only_results_of_a_run_need_no_name(results, tmp_path):
    folder = results({}, {})
    assert results_of(tmp_path / "runs" / "r", "") == folder
    results({}, {}, variant="tuned")
    with pytest.raises(UsageError, match="results of 2 models") as caught:
        results_of(tmp_path / "runs" / "r", "")
    assert "r:base (base, tuned)" in caught.value.hint
    assert results_of(tmp_path / "runs" / "r", "base") == folder
    with pytest.raises(UsageError, match="no results of 'other'"):
        results_of(tmp_path / "runs" / "r", "other")


def test_a_task_without_documents_is_refused_before_anything_starts():
    subset = make_subset("s", {"arc_easy": [A]})
    check_subset(resolve_tasks(["arc_easy"]), subset)
    with pytest.raises(RefusedError, match="has no documents of arc_challenge"):
        check_subset(resolve_tasks(["ai2_arc"]), subset)


def test_a_link_to_a_file_of_the_users_own_is_followed(tmp_path):
    make_subset("s", {"t": [A]}).write(tmp_path / "s.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "s.json")
    assert read_subset(tmp_path / "link.json").name == "s"


# --- the command


@pytest.fixture
def run(gsm8k, monkeypatch, tmp_path):
    """The run that the samples are of, where runs are looked for."""
    monkeypatch.setenv("RDAGENT_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    told = {"kind": "evaluate", "created": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "runs" / "r" / "request.json").write_text(json.dumps(told))
    return tmp_path / "runs" / "r"


def test_a_subset_is_made_of_a_run(run, tmp_path, capsys):
    out = tmp_path / "wrong.json"
    assert main(["runs", "subset", str(run), "--where", "wrong", "--out", str(out)]) == 0
    subset = Subset.read(out)
    assert dict(subset.tasks) == {"gsm8k": (B, C)}
    assert f"{out}: subset wrong of r:base ({subset.digest[:8]})" in capsys.readouterr().out


def test_the_model_is_named_behind_the_run(run, tmp_path, capsys):
    words = ["--where", "right", "--out", str(tmp_path / "s.json"), "--json"]
    assert main(["runs", "subset", f"{run}:base", *words]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"] == {"gsm8k": [A]}
    assert main(["runs", "subset", f"{run}:adapter", *words]) == 2


def test_a_place_that_cannot_be_written_to_is_a_mistake_of_usage(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "s.json")
    assert main(["runs", "subset", str(run), "--where", "all", "--out", out]) == 2
    assert "--out" in capsys.readouterr().err
