"""Tasks of suites: folders by content, and names that an evaluation knows."""

from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.errors import InternalError
from rdagent.evaluation import suite_tasks
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.suite_tasks import SuiteTask, materialise, register, with_suites
from rdagent.evaluation.tasks import resolve_tasks


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setattr(suite_tasks, "_BUILDERS", {})
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name in ("one", "other"):
        (folder / f"{name}.yaml").write_text(f"include: _common\ntask: {name}\n")
    (folder / "_common").write_text("output_type: generate_until\n")
    (folder / "code.py").write_text("x = 1\n")
    records = tmp_path / "anything.jsonl"
    records.write_text('{"id": 1}\n')
    return SuiteTask("one", folder, {"records": records}, {"shots": 4}, primary="em")


def test_a_task_becomes_a_folder_with_its_code_and_data_and_no_other_task(task):
    folder = materialise(task)
    assert {path.name for path in folder.iterdir()} == {
        "one.yaml", "_common", "code.py", "records.jsonl", "metadata.json"
    }  # fmt: skip
    assert resolve_tasks(["one"], [folder]).names == ("one",)


def test_equal_content_is_one_folder_and_any_change_another(task, tmp_path):
    first = materialise(task)
    copy = tmp_path / "copy.jsonl"
    copy.write_text('{"id": 1}\n')
    assert materialise(replace(task, data={"records": copy})) == first
    copy.write_text('{"id": 2}\n')
    assert materialise(replace(task, data={"records": copy})) != first
    assert materialise(replace(task, metadata={"shots": 5})) != first
    (task.include_dir / "code.py").write_text("x = 2\n")
    assert materialise(task) != first


def test_everything_in_the_folder_can_be_read_by_another_user(task):
    folder = materialise(task)
    assert folder.stat().st_mode & 0o055 == 0o055
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.iterdir())


def test_a_registered_name_is_built_when_it_is_asked_for(task):
    built = []
    register(["one"], lambda name: built.append(name) or task)
    assert with_suites(EvaluationRequest(tasks=("gsm8k",))).include == ()
    assert built == []
    request = with_suites(EvaluationRequest(tasks=("one",)))
    assert built == ["one"]
    assert resolve_tasks(request.tasks, request.include).names == ("one",)
    assert request.primary == {"one": "em"}


def test_a_task_of_the_callers_own_folder_goes_before_the_suites(task, tmp_path):
    register(["one"], lambda name: pytest.fail("it is the caller's"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "one.yaml").write_text("task: one\noutput_type: generate_until\n")
    request = EvaluationRequest(tasks=("one",), include=(mine,))
    assert with_suites(request).include == (mine,)


def test_a_primary_metric_that_the_caller_names_stays(task):
    register(["one"], lambda name: task)
    request = EvaluationRequest(tasks=("one",), primary={"one": "f1"})
    assert with_suites(request).primary == {"one": "f1"}


def test_a_suite_without_the_tasks_file_is_our_mistake(task):
    with pytest.raises(InternalError, match=r"two\.yaml"):
        materialise(replace(task, name="two"))


def test_every_listed_suite_has_a_file_for_each_of_its_tasks():
    from rdagent.suites import listed
    from rdagent.suites.homebench import suite

    assert set(listed.HOMEBENCH) == set(suite.TASKS)
    folder = Path(suite.__file__).parent / "tasks"
    assert all((folder / f"{name}.yaml").is_file() for name in listed.HOMEBENCH)
