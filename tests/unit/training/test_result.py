"""Reading what a training wrote of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import ResultError
from rdagent.inside.train.configuration import AppliedOverride
from rdagent.inside.train.device import Device
from rdagent.inside.train.outcome import Training, write_result
from rdagent.records.status import InsideStatus
from rdagent.training.overrides import WHY
from rdagent.training.result import LossPoint, read_result


def written(folder: Path, **changes: Any) -> Path:
    """Write a result with the writer that the image uses."""
    training = Training(device=Device("cpu", "cpu", 1, bfloat16=False))
    training.seconds["total"] = 12.5
    training.watch.log(5, {"loss": 4.0, "epoch": 0.5, "grad_norm": 1.0, "learning_rate": 0.01})
    training.watch.log(10, {"loss": float("nan"), "epoch": 1.0})
    training.applied = (
        AppliedOverride("bf16", True, False, "cpu does not train in bfloat16"),
        AppliedOverride("report_to", None, "none", "asked for beside the file"),
    )
    write_result(folder, training)
    path = folder / "train.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    InsideStatus("ok", "fine").write(folder)
    return folder


def test_what_the_image_writes_the_host_reads(tmp_path: Path) -> None:
    result = read_result(written(tmp_path))
    assert (result.seconds, result.steps, result.first_loss, result.final_loss) == (
        12.5,
        10,
        4.0,
        None,
    )


def test_the_loss_history_is_kept_point_by_point(tmp_path: Path) -> None:
    history = read_result(written(tmp_path)).loss_history
    assert history == (LossPoint(5, 0.5, 4.0, 1.0, 0.01), LossPoint(10, 1.0, None, None, None))


def test_overrides_keep_what_the_user_had_written(tmp_path: Path) -> None:
    override = read_result(written(tmp_path)).overrides[0]
    assert (override.key, override.old, override.new) == ("bf16", True, False)


def test_overrides_say_why(tmp_path: Path) -> None:
    assert read_result(written(tmp_path)).overrides[1].why == WHY["report_to"]


def test_a_training_that_failed_has_a_result_as_well(tmp_path: Path) -> None:
    written(tmp_path)
    InsideStatus("diverged", "loss is not a number").write(tmp_path)
    assert read_result(tmp_path).reason == "diverged"


def test_a_result_without_the_commit_mark_is_none(tmp_path: Path) -> None:
    (written(tmp_path) / "status.json").unlink()
    with pytest.raises(ResultError, match=r"status\.json is missing"):
        read_result(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "other/1"},
        {"seconds": "long"},
        {"loss_history": [1]},
        {"loss_history": [{"step": 1.5}]},
        {"overrides": ["bf16"]},
        {"versions": {"torch": 2}},
        {"device": [1]},
    ],
)
def test_a_malformed_result_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ResultError):
        read_result(written(tmp_path, **changes))
