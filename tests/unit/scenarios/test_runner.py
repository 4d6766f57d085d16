"""The runner: train, check, evaluate, in place; what was made is never lost."""

import json
import threading

from rdagent.core.experiment import Experiment, FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.jobs.backends.fake import Program
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator
from rdagent.scenarios.finetune.train.runner import LLMFinetuneRunner
from tests.unit.scenarios.conftest import trains, write_adapter

TRAIN_YAML = """\
model_name_or_path: some-model
stage: sft
do_train: true
finetuning_type: lora
dataset: d
dataset_dir: .
output_dir: output
"""


def experiment(folder):
    workspace = FBWorkspace(folder)
    info = {"d": {"file_name": "d.json"}}
    workspace.inject_files(
        **{
            "train.yaml": TRAIN_YAML,
            "dataset_info.json": json.dumps(info),
            "d.json": '[{"instruction": "a", "input": "", "output": "b"}]',
        }
    )
    return Experiment([Task(name="t")], experiment_workspace=workspace)


def runner(backend):
    scen = LLMFinetuneScen()
    evaluator = FTBenchmarkEvaluator(
        scen, tasks=[mini_home.TASK], include=[paths.TASK_FOLDER], backend=backend
    )
    return LLMFinetuneRunner(scen, evaluator, backend=backend)


def test_develop_trains_evaluates_and_returns_the_same_experiment(backend, tmp_path):
    exp = experiment(tmp_path / "w")
    assert runner(backend()).develop(exp) is exp
    assert exp.result == {"demo_home": 0.75}
    assert exp.prop_dev_feedback.final_decision is True
    assert (exp.workspace.workspace_path / "output" / "adapter_model.safetensors").exists()


def test_a_benchmark_that_fails_does_not_lose_the_adapter(backend, tmp_path):
    exp = experiment(tmp_path / "w")
    runner(backend(evaluate=Program(exit_code=1))).develop(exp)
    assert exp.prop_dev_feedback.final_decision is False
    assert exp.result is None
    assert (exp.workspace.workspace_path / "output" / "adapter_model.safetensors").exists()


def test_a_training_that_diverges_is_said_and_nothing_is_evaluated(backend, tmp_path):
    exp = experiment(tmp_path / "w")
    fake = backend(train=trains("diverged"))
    runner(fake).develop(exp)
    assert exp.prop_dev_feedback.reason == "diverged"
    assert [job.spec.role for job in fake.created] == ["train"]


def test_a_failed_training_keeps_the_adapter_of_an_earlier_one(backend, tmp_path):
    exp = experiment(tmp_path / "w")
    runner(backend()).develop(exp)
    adapter = exp.workspace.workspace_path / "output" / "adapter_model.safetensors"
    before = adapter.read_bytes()
    exp.workspace.inject_files(**{"train.yaml": TRAIN_YAML + "seed: 3\n"})
    runner(backend(train=Program(exit_code=1))).develop(exp)
    assert adapter.read_bytes() == before


def test_a_missing_dataset_file_is_refused_before_anything_starts(backend, tmp_path):
    exp = experiment(tmp_path / "w")
    (exp.workspace.workspace_path / "d.json").unlink()
    fake = backend()
    runner(fake).develop(exp)
    assert "d.json" in exp.prop_dev_feedback.execution
    assert (exp.prop_dev_feedback.reason, fake.created) == ("refused", [])


def test_a_workspace_with_an_adapter_and_no_training_is_evaluated_only(backend, workspace):
    fake = backend()
    exp = Experiment([Task(name="t")], experiment_workspace=FBWorkspace(workspace))
    runner(fake).develop(exp)
    assert exp.result == {"demo_home": 0.75}
    assert [job.spec.role for job in fake.created] == ["lm-eval"]


def test_develop_may_be_called_again(backend, tmp_path):
    exp, fake = experiment(tmp_path / "w"), backend()
    first = runner(fake).develop(exp).result
    assert runner(fake).develop(exp).result == first
    assert len(fake.created) == 2


def test_the_adapter_names_the_base_as_the_user_does(backend, place, tmp_path):
    exp = experiment(tmp_path / "w")
    runner(backend()).develop(exp)
    config = exp.workspace.workspace_path / "output" / "adapter_config.json"
    assert json.loads(config.read_text())["base_model_name_or_path"] == str(place / "base")


def test_several_threads_on_different_workspaces_do_not_disturb_each_other(backend, tmp_path):
    fake, results = backend(), {}

    def work(number):
        exp = experiment(tmp_path / f"w{number}")
        results[number] = runner(fake).develop(exp).result

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: {"demo_home": 0.75} for number in range(4)}


def test_changed_columns_or_changed_data_are_another_training(backend, tmp_path):
    exp, fake = experiment(tmp_path / "w"), backend()
    runner(fake).develop(exp)
    columns = {"prompt": "instruction", "response": "output"}
    info = {"d": {"file_name": "d.json", "columns": columns}}
    exp.workspace.inject_files(**{"dataset_info.json": json.dumps(info)})
    runner(fake).develop(exp)
    exp.workspace.inject_files(**{"d.json": '[{"instruction": "c", "input": "", "output": "d"}]'})
    runner(fake).develop(exp)
    assert [job.spec.role for job in fake.created].count("train") == 3


def test_a_configuration_called_train_yml_is_trained_and_not_skipped(backend, tmp_path):
    exp, fake = experiment(tmp_path / "w"), backend()
    folder = exp.workspace.workspace_path
    (folder / "train.yaml").rename(folder / "train.yml")
    write_adapter(folder / "output", r=4)
    runner(fake).develop(exp)
    assert [job.spec.role for job in fake.created] == ["train", "lm-eval"]


def test_a_training_that_was_done_leaves_the_former_adapter_where_it_is(backend, tmp_path):
    exp, fake = experiment(tmp_path / "w"), backend()
    write_adapter(exp.workspace.workspace_path / "output", r=4)
    runner(fake).develop(exp)
    runner(fake).develop(exp)
    former = exp.workspace.workspace_path / "output.previous" / "adapter_config.json"
    assert json.loads(former.read_text())["r"] == 4
