"""The nouns of the public interface."""

import pytest

from rdagent.core.experiment import DELETE, Experiment, FBWorkspace, Task
from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.errors import RefusedError


def test_a_workspace_made_of_a_path_is_that_folder(tmp_path):
    assert FBWorkspace(tmp_path / "w").workspace_path == tmp_path / "w"


def test_a_workspace_made_of_a_task_gets_a_folder_of_its_own(tmp_path):
    first = FBWorkspace(target_task=Task(name="a"), root=tmp_path)
    second = FBWorkspace(target_task=Task(name="a"), root=tmp_path)
    assert first.workspace_path != second.workspace_path
    assert first.workspace_path.parent == tmp_path


def test_making_a_workspace_touches_no_disk(tmp_path):
    workspace = FBWorkspace(tmp_path / "w")
    assert not workspace.workspace_path.exists()


def test_injected_files_are_written_and_deleted(tmp_path):
    workspace = FBWorkspace(tmp_path)
    workspace.inject_files(**{"a/train.yaml": "x: 1"})
    assert (tmp_path / "a/train.yaml").read_text() == "x: 1"
    workspace.inject_files(**{"a/train.yaml": DELETE})
    assert not (tmp_path / "a/train.yaml").exists()
    assert workspace.file_dict == {}


def test_one_bad_name_among_injected_files_writes_none(tmp_path):
    workspace = FBWorkspace(tmp_path)
    with pytest.raises(RefusedError):
        workspace.inject_files(**{"good.txt": "x", "../bad.txt": "x"})
    assert not (tmp_path / "good.txt").exists()


def test_an_experiment_always_has_a_workspace(tmp_path):
    task = Task(name="t")
    assert Experiment([task]).workspace.target_task is task
    workspace = FBWorkspace(tmp_path)
    assert Experiment([task], experiment_workspace=workspace).workspace is workspace


def test_undecided_feedback_is_false_and_no_error():
    assert not CoSTEERSingleFeedback("ran", final_decision=None)
    assert "undecided" in str(CoSTEERSingleFeedback("ran", final_decision=None))


def test_feedback_counts_as_its_decision():
    assert CoSTEERSingleFeedback("ran", final_decision=True)
    assert not CoSTEERSingleFeedback("ran", final_decision=False)
