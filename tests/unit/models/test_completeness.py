"""Whether a model's folder is whole, for each way in which it may not be."""

import json

import pytest

from rdagent.models.completeness import inspect_model
from rdagent.models.headers import LFS_MARK
from tests.unit.models.test_download import SHARDS, cut, tensor_file, tiny_files


@pytest.fixture
def model(tmp_path):
    for name, content in tiny_files().items():
        if "/" not in name and not name.endswith(".bin"):
            (tmp_path / name).write_bytes(content)
    return tmp_path


def codes(model, **options):
    return [problem.code for problem in inspect_model(model, **options).problems]


def test_a_whole_model_has_no_problem(model):
    report = inspect_model(model)
    assert (report.ok, report.model_type, dict(report.dtypes)) == (True, "qwen2", {"F32": 8000})


def _cut_short(model):
    path = model / SHARDS[0]
    path.write_bytes(path.read_bytes()[:-1])


def _longer(model):
    path = model / SHARDS[0]
    path.write_bytes(path.read_bytes() + b"x")


def _pointer(model):
    (model / SHARDS[0]).write_bytes(LFS_MARK + b".github.com/spec/v1\n")


def _swapped(model):
    (model / SHARDS[0]).write_bytes(cut(tensor_file("b")))


def _empty(model):
    (model / SHARDS[0]).write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_cut_short, "weights_damaged"),
        (_longer, "weights_damaged"),
        (_pointer, "weights_damaged"),
        (_empty, "weights_damaged"),
        (_swapped, "shard_mismatch"),
        (lambda m: (m / SHARDS[1]).unlink(), "shard_missing"),
        (lambda m: (m / "config.json").unlink(), "config_missing"),
        (lambda m: (m / "config.json").write_text("{}"), "config_invalid"),
        (lambda m: (m / "tokenizer.json").unlink(), "tokenizer_missing"),
        (lambda m: (m / "tokenizer.json").write_text("{"), "file_damaged"),
    ],
)
def test_each_damage_is_found(model, damage, code):
    damage(model)
    assert codes(model) == [code]


def test_a_model_of_pickles_alone_is_said_to_be_one(model):
    for path in model.glob("*.safetensors*"):
        path.unlink()
    (model / "pytorch_model.bin").write_bytes(b"x")
    assert codes(model) == ["pickle_only"]


def test_an_empty_folder_has_problems_and_raises_nothing(tmp_path):
    assert codes(tmp_path) == ["config_missing", "weights_missing", "tokenizer_missing"]


def test_a_deep_check_without_a_manifest_says_so(model):
    assert codes(model, deep=True) == ["manifest_missing"]


def test_a_deep_check_finds_what_the_lengths_do_not_show(model):
    (model / ".rdagent").mkdir()
    row = {"sha256": "0" * 64}
    document = {
        "schema": "rdagent.model/1",
        "name": "a/b",
        "commit": "c",
        "revision": "main",
        "endpoint": "https://huggingface.co",
        "made": "",
        "files": {"config.json": row, "gone.json": row},
    }
    (model / ".rdagent" / "model.json").write_text(json.dumps(document))
    assert codes(model, deep=True) == ["digest_differs", "file_missing"]
