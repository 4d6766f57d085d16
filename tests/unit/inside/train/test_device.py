"""What a device cannot do is switched off."""

from __future__ import annotations

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.train.device import Device, device_overrides, refuse_several

CPU = Device("cpu", "cpu", 1, bfloat16=False)
OLD_GPU = Device("cuda", "Tesla V100", 1, bfloat16=False)
GPU = Device("cuda", "H200", 1, bfloat16=True)


@pytest.mark.parametrize("key", ["bf16", "pure_bf16", "fp16", "tf32", "fp8"])
def test_a_cpu_trains_in_full_precision(key: str) -> None:
    assert device_overrides({key: True}, CPU)[key].value is False


def test_a_gpu_without_bfloat16_keeps_half_precision() -> None:
    assert set(device_overrides({"bf16": True, "fp16": True}, OLD_GPU)) == {"bf16"}


def test_a_gpu_that_can_is_left_alone() -> None:
    assert device_overrides({"bf16": True, "tf32": True, "fp8": True}, GPU) == {}


def test_what_was_not_asked_for_is_not_overridden() -> None:
    assert device_overrides({"bf16": False}, CPU) == {}


def test_the_reason_names_the_device() -> None:
    assert "Tesla V100" in device_overrides({"bf16": True}, OLD_GPU)["bf16"].why


def test_several_gpus_are_refused() -> None:
    with pytest.raises(RefusedError, match="2 GPUs are visible"):
        refuse_several(Device("cuda", "H200", 2, bfloat16=True))


def test_one_device_is_enough() -> None:
    refuse_several(CPU)
