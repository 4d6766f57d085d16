"""One training, with a stand-in for LLaMA-Factory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.train import __main__ as program
from rdagent.inside.train import run
from rdagent.inside.train.device import Device
from rdagent.inside.train.environment import request_from_environment, settle
from rdagent.inside.train.preflight import Examined
from rdagent.inside.train.samples import Preflight
from rdagent.records import trained_on
from rdagent.records.rendering import Rendering
from rdagent.records.requests import TrainRequest
from rdagent.records.status import InsideStatus
from rdagent.records.trained_on import Sampled, TrainedOn

EXAMINED = Examined(Preflight(stage="sft"), Rendering(None, "5", ()))


@dataclass
class Arguments:
    """Stands for LLaMA-Factory's argument classes."""

    do_train: bool = False
    dataset: str = ""
    bf16: bool = False
    output_dir: str = ""
    report_to: str = ""


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Install a stand-in whose ``run_exp`` is the function given."""

    def install(work: Callable[[dict[str, Any]], None]) -> None:
        package, hparams = ModuleType("llamafactory"), ModuleType("llamafactory.hparams")
        train, tuner = ModuleType("llamafactory.train"), ModuleType("llamafactory.train.tuner")
        for name in ("Model", "Data", "Training", "Finetuning", "Generating"):
            setattr(hparams, f"{name}Arguments", Arguments)
        tuner.run_exp = lambda args, callbacks: work(args)  # type: ignore[attr-defined]
        package.hparams = hparams  # type: ignore[attr-defined]
        for module in (package, hparams, train, tuner):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(run, "make_callback", lambda watch: None)
        monkeypatch.setattr(run, "examine", lambda values, output: EXAMINED)
        monkeypatch.setattr(run, "probe", lambda: Device("cpu", "cpu", 1, bfloat16=False))

    return install


@pytest.fixture(autouse=True)
def process_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program change neither signals nor variables of the process that tests it."""
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.fixture
def request_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "train.json"
    config.write_text(json.dumps({"do_train": True, "dataset": "homes", "bf16": True}))
    request = TrainRequest(str(config), str(tmp_path), str(tmp_path / "out"), {"report_to": "none"})
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request.to_json()))
    return path


def save_weights(args: dict[str, Any]) -> None:
    folder = Path(args["output_dir"])
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")


def test_a_training_that_leaves_weights_is_ok(factory: Any, request_file: Path) -> None:
    factory(save_weights)
    assert program.main([str(request_file)]) == 0
    assert InsideStatus.read(request_file.parent / "out").reason == "ok"


def test_the_overrides_reach_llama_factory(factory: Any, request_file: Path) -> None:
    seen: dict[str, Any] = {}
    factory(lambda args: (seen.update(args), save_weights(args))[1])
    program.main([str(request_file)])
    assert (seen["report_to"], seen["bf16"]) == ("none", False)


def test_the_overrides_are_printed(
    factory: Any, request_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factory(save_weights)
    program.main([str(request_file)])
    assert "train: override bf16: true -> false" in capsys.readouterr().err


def test_the_training_runs_in_the_users_folder(factory: Any, request_file: Path) -> None:
    seen: list[Path] = []
    factory(lambda args: seen.append(Path.cwd()))
    program.main([str(request_file)])
    assert seen == [request_file.parent]


def test_what_was_trained_on_is_kept_beside_the_adapter(
    factory: Any, request_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory(save_weights)
    seen = TrainedOn(1, True, Sampled([1]), Sampled([2]))
    monkeypatch.setattr(run, "examine", lambda *_: replace(EXAMINED, trained_on=seen))
    assert program.main([str(request_file)]) == 0
    kept = trained_on.read(request_file.parent / "out" / "adapter")
    assert kept is not None
    assert (list(kept.texts.hashes), list(kept.grams.hashes)) == ([1], [2])


def test_a_training_that_leaves_nothing_has_no_results(factory: Any, request_file: Path) -> None:
    factory(lambda args: None)
    assert program.main([str(request_file)]) == 6
    assert InsideStatus.read(request_file.parent / "out").reason == "results_missing"


def test_a_training_that_fails_has_a_result_as_well(factory: Any, request_file: Path) -> None:
    def fail(args: dict[str, Any]) -> None:
        raise MemoryError

    factory(fail)
    program.main([str(request_file)])
    assert (request_file.parent / "out" / "train.json").exists()


def change(request_file: Path, **changes: Any) -> None:
    request_file.write_text(json.dumps({**json.loads(request_file.read_text()), **changes}))


def test_several_processes_train_in_the_place_of_this_one(
    factory: Any, request_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory(lambda args: pytest.fail("this process trains"))
    seen: dict[str, Any] = {}

    def train(values: dict[str, Any], watch: Any, **given: Any) -> int:
        seen.update(given)
        save_weights(values)
        return 321

    monkeypatch.setattr(run.workers, "train", train)
    change(request_file, processes=2)
    assert program.main([str(request_file)]) == 0
    assert (seen["processes"], seen["device"]) == (2, "cpu")
    result = json.loads((request_file.parent / "out" / "train.json").read_text())
    assert result["peak_memory_bytes"] == 321


def test_rows_with_names_are_looked_at_before_the_training(
    factory: Any, request_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(values: Any, names: Path) -> None:
        raise RefusedError(f"a row of {names} would be cut")

    factory(lambda args: pytest.fail("it trains"))
    monkeypatch.setattr(run, "refuse_cut_rows", refuse)
    change(request_file, row_names="rows.txt")
    assert program.main([str(request_file)]) == 2
    assert "rows.txt would be cut" in InsideStatus.read(request_file.parent / "out").message


def test_a_misspelt_key_is_refused(factory: Any, request_file: Path) -> None:
    factory(save_weights)
    (request_file.parent / "train.json").write_text('{"do_train": true, "datasett": "x"}')
    assert program.main([str(request_file)]) == 2


def test_a_request_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text("[")
    assert program.main([str(tmp_path / "request.json")]) == 2


def test_variables_make_a_request_for_a_plain_container_run() -> None:
    request = request_from_environment({"TRAIN_CONFIG": "/w/train.yaml", "BASE_MODEL": "/m"})
    assert (request.folder, request.output) == ("/w", "/w/output")
    assert request.overrides["model_name_or_path"] == "/m"


def test_a_variable_that_is_set_stays() -> None:
    variables = {"OMP_WAIT_POLICY": "ACTIVE"}
    settle(variables)
    assert variables["OMP_WAIT_POLICY"] == "ACTIVE"
