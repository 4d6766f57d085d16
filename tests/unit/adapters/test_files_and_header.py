"""What is said of folders and files that hold no adapter, or a damaged one."""

import json
import os
import struct

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdagent.adapters.check import check_adapter, inspect_adapter
from rdagent.adapters.header import HEADER_LIMIT, Unreadable, read_header
from rdagent.errors import AdapterInvalid
from rdagent.records.trained_on import Sampled, TrainedOn

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def with_header(header: bytes | dict, payload: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + payload


@pytest.mark.parametrize("with_base", [False, True])
def test_a_sound_adapter_has_no_problem_at_all(bench, with_base):
    report = bench.check(with_base=with_base)
    assert report.problems == ()
    assert report.to_json()["serves"] == {"vllm": True, "hf": True, "merge_needed": False}


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_where_no_adapter_is_the_first_sentence_is_the_old_one(tmp_path, kind):
    folder = tmp_path / "output"
    if kind == "empty":
        folder.mkdir()
    if kind == "file":
        folder.write_text("x")
    with pytest.raises(AdapterInvalid) as caught:
        inspect_adapter(folder)
    assert caught.value.message.startswith("Adapter validation failed: No adapter weight file")
    assert caught.value.exit_code == 6
    assert caught.value.hint


@pytest.mark.parametrize(
    "names",
    [
        ["config.json", "model.safetensors"],
        ["config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"],
        ["pytorch_model.bin", "config.json"],
    ],
)
def test_a_full_model_given_for_an_adapter_is_recognised(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(b"{}")
    assert [p.code for p in check_adapter(tmp_path).errors] == ["full_model"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("adapter_model.bin", "pickle_only"),
        ("adapter_model.pt", "pickle_only"),
        ("adapter_model.safetensors.index.json", "weights_sharded"),
        ("adapter_model-00001-of-00002.safetensors", "weights_sharded"),
        ("model.gguf", "weights_missing"),
    ],
)
def test_weights_of_another_make_are_named(bench, name, code):
    bench.weights.rename(bench.folder / name)
    assert bench.errors() == [code]


def test_a_pickle_beside_the_weights_is_only_noted(bench):
    (bench.folder / "adapter_model.bin").write_bytes(b"x")
    assert bench.codes() == ["pickle_beside"]


def test_the_hashes_of_the_rows_beside_the_weights_are_no_pickle(bench):
    TrainedOn(1, True, Sampled([1]), Sampled([2])).write(bench.folder)
    assert bench.codes() == []


def test_without_weights_of_its_own_the_last_checkpoint_is_taken(bench):
    for step in (5, 30, 200):
        folder = bench.folder / f"checkpoint-{step}"
        folder.mkdir()
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (folder / name).write_bytes((bench.folder / name).read_bytes())
    (bench.folder / "checkpoint-900").mkdir()
    bench.weights.unlink()
    report = bench.check()
    assert report.path.name == "checkpoint-200"
    assert [p.code for p in report.problems] == ["checkpoint_used"]
    assert report.required().path == bench.folder / "checkpoint-200"


def test_a_checkpoint_beside_sound_weights_is_left_alone(bench):
    (bench.folder / "checkpoint-5").mkdir()
    assert bench.codes() == []


def test_weights_without_a_configuration_are_no_adapter(bench):
    (bench.folder / "adapter_config.json").unlink()
    assert bench.errors() == ["config_missing"]


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_regular_file_is_not_read(bench, name, kind):
    path = bench.folder / name
    moved = path.rename(bench.folder / "elsewhere")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(moved if kind == "link" else "nowhere")
    assert bench.errors() == ["not_a_file"]


def test_weights_with_a_second_name_are_read(bench):
    os.link(bench.weights, bench.folder / "second name")
    assert bench.errors() == []


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_an_empty_file_is_called_empty(bench, name):
    (bench.folder / name).write_bytes(b"")
    assert bench.errors() == ["file_empty"]


@pytest.mark.parametrize("kept", [1, 7, 8, 9, 100, 0.5, -1, -1000])
def test_weights_that_are_cut_short_are_said_to_be(bench, kept):
    content = bench.weights.read_bytes()
    kept = int(len(content) * kept) if isinstance(kept, float) else kept
    bench.weights.write_bytes(content[:kept])
    assert bench.errors() == ["weights_truncated"]


def test_bytes_after_the_last_tensor_are_damage(bench):
    bench.weights.write_bytes(bench.weights.read_bytes() + b"\0")
    assert bench.errors() == ["weights_truncated"]


def test_a_git_lfs_pointer_is_recognised(bench):
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n"
    bench.weights.write_bytes(text)
    assert bench.errors() == ["lfs_pointer"]


@pytest.mark.parametrize(
    "start",
    [b"PK\x03\x04" + b"x" * 60, b"\x80\x02}q" + b"x" * 60, b"<!DOCTYPE html>" + b"x" * 60,
     b"\x1f\x8b\x08\x00" + b"\xff" * 60, b'{"error": "not found, sorry"}' + b" " * 60,
     b"GGUF" + b"\x03\xff\xff\xff\xff" * 12],
)  # fmt: skip
def test_a_file_of_another_kind_is_recognised(bench, start):
    bench.weights.write_bytes(start)
    assert bench.errors() == ["wrong_format"]


@pytest.mark.parametrize("length", [8827, 35615, 896, 8508])
def test_a_length_that_looks_like_another_kinds_mark_is_a_length(tmp_path, length):
    """8827 is '{"' and 35615 is gzip's mark, read as the first bytes of a file."""
    header = json.dumps({"a": ENTRY}).encode().ljust(length)
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_header(header))
    assert [tensor.name for tensor in read_header(path)] == ["a"]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"[1]", "header_invalid"),
        (b"null", "header_invalid"),
        (b" {}", "header_invalid"),
        (b"{", "header_invalid"),
        (b'{"a": ' + b"[" * 50_000, "header_invalid"),
        (b'{"\xff": 1}', "header_invalid"),
        (b'{"a": NaN}', "header_invalid"),
        (b'{"__metadata__": {"x": 1}}', "header_invalid"),
        (b'{"__metadata__": []}', "header_invalid"),
        (b'{"a": {}, "a": {}}', "header_invalid"),
        (b"{}", "no_tensors"),
        (b'{"__metadata__": {}}', "no_tensors"),
        (b'{"a": 1}', "tensor_invalid"),
        ({"a": {"dtype": "F32", "shape": [2]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "dtype": "F33"}}, "tensor_invalid"),
        ({"a": {**ENTRY, "dtype": ["F32"]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "dtype": "F16"}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": [3]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": [-1, -2]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": [2.0]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": [True, 2]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": "2"}}, "tensor_invalid"),
        ({"a": {**ENTRY, "shape": [1 << 59] * 16}}, "tensor_invalid"),
        ({"a": {**ENTRY, "data_offsets": [-8, 0]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "data_offsets": [8, 0]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "data_offsets": [0]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "data_offsets": [0, 1 << 62]}}, "tensor_invalid"),
        ({"a": ENTRY, "b": ENTRY}, "tensor_invalid"),
        ({"a": ENTRY, "b": {**ENTRY, "data_offsets": [4, 12]}}, "tensor_invalid"),
        ({"a": {**ENTRY, "data_offsets": [4, 12]}}, "tensor_invalid"),
        (b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 1' + b"0" * 6000 + b"]}}",
         "header_invalid"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_named(bench, header, code):
    bench.weights.write_bytes(with_header(header))
    assert bench.errors() == [code]


@pytest.mark.parametrize("length", [HEADER_LIMIT + 1, 1 << 40, (1 << 64) - 1])
def test_a_header_that_claims_gigabytes_is_not_read(bench, length):
    bench.weights.write_bytes(struct.pack("<Q", length) + b'{"a"' + b" " * 100)
    assert bench.errors() == ["header_too_large"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_a_refusal(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read_header(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.data())
def test_one_byte_changed_in_the_header_never_crashes_the_check(bench, data):
    content = bytearray(bench.weights.read_bytes())
    length = 8 + struct.unpack("<Q", content[:8])[0]
    original = bytes(content)
    content[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    bench.weights.write_bytes(bytes(content))
    bench.check(with_base=True).to_json()
    bench.weights.write_bytes(original)


def test_a_name_from_a_stranger_cannot_move_the_terminals_cursor(bench):
    bench.tensors[f"{bench.a()}\x1b[2J\u202e"] = numpy.ones((1, 1))
    bench.write_weights()
    assert all(
        "\x1b" not in p.message and "\u202e" not in p.message for p in bench.check().problems
    )
