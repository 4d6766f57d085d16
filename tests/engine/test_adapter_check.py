"""Adapters that real peft wrote are sound; pickles are converted in a job and nowhere else."""

import subprocess
from pathlib import Path

import pytest

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.check import check_adapter
from rdagent.adapters.header import read_header
from rdagent.cli.main import main
from tests.engine import sound_adapters

pytestmark = [pytest.mark.engine, pytest.mark.images]


@pytest.fixture(scope="module", params=["train", "lm-eval"])
def made(request, images, place) -> Path:
    """Adapters of both images' peft: the one that trains and the one that evaluates."""
    folder = place / f"sound-{request.param}"
    folder.mkdir()
    folder.chmod(0o777)  # the image's user is not ours
    words = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh"]
    words += ["-v", f"{Path(sound_adapters.__file__)}:/make.py:ro", "-v", f"{folder}:/made"]
    script = "python /make.py /made && chmod -R a+rwX /made/*"
    subprocess.run([*words, images[request.param], "-c", script], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", sound_adapters.KINDS)
def test_what_real_peft_wrote_is_sound(made, name):
    base = BaseFiles(made / name / "base")
    for known in (None, base):
        report = check_adapter(made / name / "adapter", base=known, named_base=known)
        doubts = {p.code for p in report.problems if p.severity != "note"}
        assert doubts <= {"fan_in_fan_out"}, report.problems
    assert base.shapes, "the base's own headers were read"


@pytest.mark.parametrize("name", ["Llama", "Qwen2", "Mistral", "Gemma"])
def test_another_architectures_base_is_told_apart(made, name):
    other = BaseFiles(made / "GPT2" / "base")
    report = check_adapter(made / name / "adapter", base=other, named_base=None)
    assert "module_unknown" in [p.code for p in report.errors]


def test_a_pickle_is_converted_and_then_sound(made, capsys):
    folder = made / "pickled"
    before = (folder / "adapter_model.bin").read_bytes()
    assert main(["check-adapter", str(folder)]) == 6
    assert main(["check-adapter", str(folder), "--convert"]) == 0, capsys.readouterr()
    assert (folder / "adapter_model.bin").read_bytes() == before
    original = made / sound_adapters.PICKLED / "adapter" / "adapter_model.safetensors"
    shapes = [
        {tensor.name: (tensor.dtype, tensor.shape) for tensor in read_header(path)}
        for path in (original, folder / "adapter_model.safetensors")
    ]
    assert shapes[0] == shapes[1]


def test_a_pickle_that_runs_code_is_refused_and_runs_none(made, capfd):
    folder = made / "hostile"
    assert main(["check-adapter", str(folder), "--convert"]) == 6
    shown = capfd.readouterr()
    assert "holds more than tensors" in shown.err
    assert "never be printed" not in shown.out + shown.err
    assert not (folder / "adapter_model.safetensors").exists()
