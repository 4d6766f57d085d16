"""Trainings of several processes, and rows that have names."""

import json
import shutil

import pytest

from rdagent.demo import mini_home, paths
from rdagent.errors import RefusedError
from rdagent.training import run as training_run
from rdagent.training.run import TrainingRequest, plan


@pytest.fixture
def gpus(monkeypatch):
    def see(*names):
        monkeypatch.setattr(training_run, "visible_gpus", lambda: names)
        monkeypatch.setattr("rdagent.training.outlook.gpu_memory", lambda uuid: 80 << 30)

    see()
    return see


@pytest.fixture
def planned(gpus, tmp_path):
    shutil.copy(paths.TRAIN_CONFIG, tmp_path / "train.yaml")
    mini_home.write_training_data(tmp_path)

    def make(**given):
        request = TrainingRequest(tmp_path, base_model=str(paths.MODEL), **given)
        return plan(request).job

    return make


def told(job):
    return json.loads(job.files["request.json"])


@pytest.mark.parametrize(("processes", "expected"), [(1, ("a",)), (2, ("a", "b"))])
def test_every_process_has_a_gpu_where_there_are_gpus(gpus, planned, processes, expected):
    gpus("a", "b", "c")
    assert planned(processes=processes).gpus == expected


def test_processes_train_together_on_a_machine_without_gpus(planned):
    job = planned(processes=2)
    assert job.gpus == ()
    assert told(job)["processes"] == 2


@pytest.mark.parametrize("processes", [0, 3])
def test_processes_that_would_share_a_gpu_are_refused(gpus, planned, processes):
    gpus("a", "b")
    with pytest.raises(RefusedError, match="2 GPUs may be used"):
        planned(processes=processes)


def test_names_of_rows_are_where_the_job_sees_them(planned, tmp_path):
    (tmp_path / "rows.txt").write_text("a\n")
    assert told(planned(row_names="rows.txt"))["row_names"] == "{mount:workspace}/rows.txt"


def test_names_that_are_not_there_are_refused(planned):
    with pytest.raises(RefusedError, match=r"no rows\.txt"):
        planned(row_names="rows.txt")


def test_a_usual_training_is_told_nothing_of_either(planned):
    assert not {"processes", "row_names"} & set(told(planned()))
