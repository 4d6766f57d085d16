"""What a word on the command line means, and what to call what was found."""

import json
import os

import pytest

from rdagent.comparison.operands import find_sources
from rdagent.errors import ResultError, UsageError
from tests.unit.comparison.builders import RUN_ID, TaskSpec, sha, write_run, write_side

TASKS = {"t": TaskSpec([1, 0])}
ONE = {"tasks": TASKS}


@pytest.fixture
def root(tmp_path):
    """The folder of runs, with one that has a base and two adapters."""
    folder = tmp_path / "runs"
    write_run(folder, {"base": ONE, "tuned": ONE, "longer": ONE}, label="mine")
    return folder


@pytest.fixture
def outputs(tmp_path):
    """Two folders of lm_eval's, one of a base and one of a tuned model."""
    for name in ("eval_base", "eval_tuned"):
        write_side(tmp_path / name, model="org/model", tasks=TASKS)
    return tmp_path


def names(words, root):
    return [source.name for source in find_sources([str(word) for word in words], root)]


# --- runs


def test_a_run_alone_is_its_base_against_its_other_models(root):
    assert names([RUN_ID], root) == ["base", "longer", "tuned"]
    found = find_sources([RUN_ID], root)
    assert {(source.kind, source.run) for source in found} == {("run", RUN_ID)}


@pytest.mark.parametrize("word", ["mine", "last", RUN_ID[:12], RUN_ID[-8:]])
def test_a_run_is_found_by_label_and_part(root, word):
    assert names([word], root) == ["base", "longer", "tuned"]


def test_the_folder_of_a_run_is_the_run(root):
    assert names([root / RUN_ID], root) == ["base", "longer", "tuned"]


def test_one_model_of_a_run_is_named_behind_it(root):
    assert names([f"{RUN_ID}:tuned", f"{RUN_ID}:base"], root) == ["tuned", "base"]
    assert names([f"{root / RUN_ID}:tuned", "last:longer"], root) == ["tuned", "longer"]


def test_the_folder_of_one_model_is_that_model(root):
    variants = root / RUN_ID / "variants"
    found = find_sources([str(variants / "base"), str(variants / "tuned")], root)
    assert [(source.name, source.run) for source in found] == [("base", RUN_ID), ("tuned", RUN_ID)]


def test_the_results_file_of_one_model_is_that_model(root):
    variants = root / RUN_ID / "variants"
    words = [variants / "base" / "results.json", variants / "tuned" / "results.json"]
    assert names(words, root) == ["base", "tuned"]


def test_a_model_that_a_run_has_not_is_refused_with_those_that_it_has(root):
    with pytest.raises(UsageError, match="no results of 'other'") as caught:
        names([f"{RUN_ID}:other", RUN_ID], root)
    assert "base, longer, tuned" in caught.value.hint


def test_of_a_run_in_the_first_place_the_base_is_meant_and_then_the_others(root, tmp_path):
    write_run(tmp_path / "runs", {"base": ONE, "new": ONE}, run_id="20270101-000000-aaaaaaaa")
    assert names([RUN_ID, "aaaaaaaa"], root) == ["base", "new"]


def test_a_run_with_one_model_is_that_model(root):
    write_run(root, {"adapter": ONE}, run_id="20270101-000000-aaaaaaaa")
    assert names([f"{RUN_ID}:base", "aaaaaaaa"], root) == ["base", "adapter"]


def test_a_run_without_a_base_is_refused_with_how_to_get_one(root):
    write_run(root, {"x": ONE, "y": ONE}, run_id="20270101-000000-aaaaaaaa")
    with pytest.raises(UsageError, match="no base to compare with; it holds x, y") as caught:
        names(["aaaaaaaa"], root)
    assert "rdagent compare aaaaaaaa:x aaaaaaaa:y" in caught.value.hint
    assert "eval --base" in caught.value.hint


def test_a_first_run_without_a_base_is_unclear(root):
    write_run(root, {"x": ONE, "y": ONE}, run_id="20270101-000000-aaaaaaaa")
    with pytest.raises(UsageError, match="2 models, none called base"):
        names(["aaaaaaaa", RUN_ID], root)


@pytest.mark.parametrize("only", ["base", "adapter"])
def test_one_model_alone_is_refused(root, only):
    write_run(root, {only: ONE}, run_id="20270101-000000-aaaaaaaa")
    with pytest.raises(UsageError, match="alone"):
        names(["aaaaaaaa"], root)
    with pytest.raises(UsageError, match="alone"):
        names([f"{RUN_ID}:tuned"], root)


def test_a_run_without_results_is_refused(root):
    run = root / "20270101-000000-aaaaaaaa"
    write_side(run / "attempts" / "001" / "out", tasks=TASKS)  # of a job that was not taken over
    (run / "request.json").write_text(json.dumps({"created": "2027-01-01T00:00:00Z"}))
    for word in (str(run), "aaaaaaaa"):
        with pytest.raises(UsageError, match="has no results") as caught:
            names([word], root)
        assert str(run / "variants") in caught.value.hint


def test_a_word_that_means_several_runs_says_so(root):
    write_run(root, {"base": ONE}, run_id="20261126-030000-aaaaaaaa")
    with pytest.raises(UsageError, match="2 runs called '2026'"):
        names(["2026"], root)


# --- copies of a run


def test_a_copy_of_an_evaluation_is_its_base_against_the_others(tmp_path):
    for name in ("base", "tuned"):
        write_side(tmp_path / "out" / name, layout="plain", tasks=TASKS)
    (tmp_path / "out" / "evaluation.json").write_text(json.dumps({"run": RUN_ID}))
    found = find_sources([str(tmp_path / "out")], tmp_path / "runs")
    assert [(source.name, source.run) for source in found] == [("base", RUN_ID), ("tuned", RUN_ID)]
    words = [tmp_path / "out:tuned", tmp_path / "out"]
    assert names(words, tmp_path) == ["tuned", "tuned #2"]


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "work"
    write_side(folder / "benchmark_results", layout="plain", tasks=TASKS)
    (folder / "run.json").write_text(json.dumps({"run": RUN_ID}))
    return folder


def test_a_workspace_is_the_adapter_in_it(workspace, root):
    for word in (workspace, workspace / "benchmark_results"):
        found = find_sources([f"{RUN_ID}:base", str(word)], root)[1]
        assert (found.name, found.run) == ("work", RUN_ID)


def test_a_workspace_alone_is_compared_with_the_base_of_its_run(workspace, root):
    found = find_sources([str(workspace)], root)
    assert [source.name for source in found] == ["base", "work"]
    assert found[0].results.is_relative_to(root)


def test_a_workspace_whose_run_is_gone_is_one_model_alone(workspace, tmp_path):
    with pytest.raises(UsageError, match="one model alone: work"):
        names([workspace], tmp_path / "none")


# --- folders of lm_eval's


def test_two_folders_of_lm_evals_are_two_models(outputs):
    found = find_sources([str(outputs / "eval_base"), str(outputs / "eval_tuned")], outputs)
    assert [source.name for source in found] == ["eval_base", "eval_tuned"]
    assert {source.kind for source in found} == {"lm_eval"}
    assert all(source.samples_folder == source.results.parent for source in found)


@pytest.mark.parametrize("layout", ["lm_eval", "file"])
def test_the_newest_results_are_taken_and_said(tmp_path, layout):
    for stamp in ("2026-01-02T00-00-00.5", "2026-03-01T10-00-00.1", "2026-02-01T00-00-00.9"):
        write_side(tmp_path / "m", tasks=TASKS, stamp=stamp, layout=layout)
    found = find_sources([str(tmp_path / "m")] * 2, tmp_path)[0]
    assert "2026-03-01T10-00-00.1" in found.results.name
    assert "the newest of 3 in" in found.said
    assert found.results.name in found.said


def test_results_without_a_time_are_as_old_as_their_file(tmp_path):
    for place, name in enumerate(("b", "a")):
        path = write_side(tmp_path / "m" / name, tasks=TASKS, layout="plain")
        os.utime(path, (1_700_000_000 + place * 9999,) * 2)
    found = find_sources([str(tmp_path / "m")] * 2, tmp_path)[0]
    assert found.results.parent.name == "a"


def test_a_file_of_any_name_with_results_is_found_where_there_is_no_other(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    (tmp_path / "m" / "mine.json").write_text(json.dumps({"model": "x", "results": {}}))
    found = find_sources([str(tmp_path / "m")] * 2, tmp_path)[0]
    assert found.samples_folder is None
    assert (found.results.name, found.kind, found.name) == ("mine.json", "scores", "x")


def test_a_results_file_takes_the_name_of_its_folder(outputs):
    files = [next((outputs / name).glob("*/results_*")) for name in ("eval_base", "eval_tuned")]
    assert names(files, outputs) == ["model (eval_base)", "model (eval_tuned)"]


def test_a_file_with_a_name_of_its_own_takes_that(tmp_path):
    path = write_side(tmp_path, tasks=TASKS, layout="file")
    assert names([path, path], tmp_path) == ["scores", "scores #2"]


def test_a_folder_without_results_names_the_folders_searched(tmp_path):
    (tmp_path / "m" / "logs").mkdir(parents=True)
    with pytest.raises(UsageError, match="no results in") as caught:
        names([tmp_path / "m", tmp_path / "m"], tmp_path)
    assert str(tmp_path / "m" / "logs") in caught.value.hint


def test_results_that_are_a_folder_are_not_results(tmp_path):
    (tmp_path / "m" / "results.json").mkdir(parents=True)
    with pytest.raises(UsageError, match="no results in"):
        names([tmp_path / "m"] * 2, tmp_path)


def test_links_in_a_folder_are_not_followed_and_a_link_to_it_is(outputs, tmp_path):
    (tmp_path / "m").mkdir()
    real = next((outputs / "eval_base").glob("*/results_*"))
    (tmp_path / "m" / "results.json").symlink_to(real)
    with pytest.raises(UsageError, match="no results in"):
        names([tmp_path / "m"] * 2, tmp_path)
    (tmp_path / "link").symlink_to(outputs / "eval_base")
    found = find_sources([str(tmp_path / "link"), str(outputs / "eval_tuned")], tmp_path)
    assert found[0].results == real


# --- mistakes


def test_a_word_that_means_nothing_says_where_was_looked(tmp_path):
    with pytest.raises(UsageError, match="no results called 'nothing'") as caught:
        names(["nothing", "nothing"], tmp_path / "runs")
    assert str(tmp_path / "runs") in caught.value.hint
    assert "nothing" in caught.value.hint


@pytest.mark.parametrize("word", ["", " ", ":base", "x" * 5000, "\0", "~nobody-here/x", "a:b:c"])
def test_odd_words_are_mistakes_of_usage(root, word):
    with pytest.raises(UsageError):
        names([word, RUN_ID], root)


def test_nothing_at_all_is_a_mistake_of_usage(root):
    with pytest.raises(UsageError, match="nothing to compare"):
        names([], root)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"results": []}'])
def test_a_file_that_holds_no_results_is_said(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ResultError):
        names([tmp_path / "x.json"] * 2, tmp_path)


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(ResultError, match="not a regular file"):
        names([tmp_path / "x.json"] * 2, tmp_path)


# --- names


def test_the_same_model_twice_has_two_names(root):
    assert names([f"{RUN_ID}:base", f"{RUN_ID}:base"], root) == ["base", "base #2"]
    assert len(set(names([f"{RUN_ID}:base"] * 3, root))) == 3


def test_models_of_one_name_are_told_apart_by_their_runs(root):
    write_run(root, {"tuned": ONE}, run_id="20270101-000000-aaaaaaaa")
    found = names([RUN_ID, f"{RUN_ID}:tuned", "aaaaaaaa"], root)
    assert found == ["base", "tuned (c5690f41)", "tuned (aaaaaaaa)"]


def test_names_are_short_and_printable(tmp_path):
    told = {"model": "\x1b[31m" + "long" * 50, "results": {}}
    (tmp_path / "s.json").write_text(json.dumps(told))
    name = names([tmp_path / "s.json"] * 2, tmp_path)[0]
    assert len(name) == 40
    assert "\x1b" not in name


def test_the_builders_run_is_a_run(root):
    assert sha("x") != sha("y")
    assert (root / RUN_ID / "request.json").is_file()
