"""``rdagent check-adapter``: what is printed, and the exit code."""

import json
import subprocess
import sys

import pytest

from rdagent.cli.main import main
from tests.unit.adapters.conftest import Bench


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    return Bench(tmp_path)


def test_a_sound_adapter_ends_with_0(bench, capsys):
    assert main(["check-adapter", str(bench.folder)]) == 0
    assert "ok, on vLLM and on hf" in capsys.readouterr().out


def test_a_broken_one_ends_with_6_and_says_what_and_what_to_do(bench, capsys):
    bench.weights.write_bytes(bench.weights.read_bytes()[:-1])
    assert main(["check-adapter", str(bench.folder)]) == 6
    shown = capsys.readouterr().out
    assert "weights_truncated" in shown
    assert "Copy or save it again" in shown


@pytest.mark.parametrize(("rank", "code"), [(4, 0), (0, 6)])
def test_json_is_one_document_and_nothing_else(bench, capsys, rank, code):
    bench.write_config(r=rank)
    assert main(["check-adapter", str(bench.folder), "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0)
    assert document.keys() == {"schema", "path", "ok", "problems", "serves"}


def test_the_base_may_be_named(bench, capsys):
    bench.write_base(num_hidden_layers=1)
    words = ["check-adapter", str(bench.folder), "--base-model", str(bench.base_folder)]
    assert main(words) == 6
    assert "layer_out_of_range" in capsys.readouterr().out


def test_the_adapters_own_base_is_used_when_it_is_here(bench, capsys):
    bench.write_base(num_hidden_layers=1)
    bench.write_config(base_model_name_or_path=str(bench.base_folder))
    assert main(["check-adapter", str(bench.folder)]) == 6


def test_a_base_that_is_not_here_is_refused_with_2(bench, capsys):
    assert main(["check-adapter", str(bench.folder), "--base-model", "no/such"]) == 2


def test_neither_help_nor_a_check_of_names_loads_numpy():
    code = (
        "import sys, rdagent.cli.check_adapter, rdagent.adapters.check;"
        "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
