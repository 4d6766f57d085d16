"""What a LoRA folder is, and what is said of one that is none."""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdagent.adapters.inspect import inspect_adapter
from rdagent.adapters.serving import rank_limit, why_not_vllm
from rdagent.errors import AdapterInvalid

CONFIG = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": "Qwen/Base"}


def weights(tensors=None, payload=b"\0" * 8):
    tensors = tensors or {"a.lora_A.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    return struct.pack("<Q", len(header)) + header + payload


@pytest.fixture
def adapter(tmp_path):
    def make(config=None, content=None):
        text = json.dumps({**CONFIG, **(config or {})})
        (tmp_path / "adapter_config.json").write_text(text)
        (tmp_path / "adapter_model.safetensors").write_bytes(
            weights() if content is None else content
        )
        return tmp_path

    return make


def test_a_sound_adapter_is_read(adapter):
    found = inspect_adapter(adapter())
    assert (found.rank, found.base_model, found.tensors) == (16, "Qwen/Base", ("a.lora_A.weight",))


def test_the_rank_is_the_largest_that_a_layer_has(adapter):
    assert inspect_adapter(adapter({"rank_pattern": {"q_proj": 64}})).rank == 64


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_is_empty_or_missing_has_no_weight_file(tmp_path, exists):
    folder = tmp_path / "output"
    if exists:
        folder.mkdir()
    with pytest.raises(AdapterInvalid) as caught:
        inspect_adapter(folder)
    assert caught.value.message.startswith("Adapter validation failed: No adapter weight file")
    assert caught.value.exit_code == 6


def test_a_full_model_given_for_an_adapter_is_recognised(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(AdapterInvalid, match="full model"):
        inspect_adapter(tmp_path)


def test_a_pickled_adapter_is_refused(tmp_path):
    (tmp_path / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(AdapterInvalid, match="pickle"):
        inspect_adapter(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "PROMPT_TUNING"),
        ({"r": 0}, "positive"),
        ({"r": "16"}, "positive"),
        ({"r": True}, "positive"),
    ],
)
def test_a_configuration_that_cannot_be_is_named(adapter, change, said):
    with pytest.raises(AdapterInvalid, match=said):
        inspect_adapter(adapter(change))


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4, weights()[:-1], weights() + b"x", weights()[:20], struct.pack("<Q", 1 << 60)],
)
def test_weights_that_are_cut_short_or_too_long_are_damaged(adapter, content):
    with pytest.raises(AdapterInvalid, match="damaged or cut short"):
        inspect_adapter(adapter(content=content))


def test_a_git_lfs_pointer_is_recognised(adapter):
    with pytest.raises(AdapterInvalid, match="LFS"):
        inspect_adapter(adapter(content=b"version https://git-lfs.github.com/spec/v1\noid"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_lead_to_anything_but_a_typed_error(adapter, content):
    with pytest.raises(AdapterInvalid):
        inspect_adapter(adapter(content=content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["embed_tokens"]}, "saved modules"),
        ({"bias": "all"}, "bias"),
        ({"r": 1024}, "1024"),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern"),
    ],
)
def test_what_vllm_cannot_serve_is_said(adapter, change, said):
    assert said in why_not_vllm(inspect_adapter(adapter(change)))


def test_a_plain_adapter_can_be_served(adapter):
    assert why_not_vllm(inspect_adapter(adapter())) is None


@pytest.mark.parametrize(
    ("ranks", "limit"), [((), 8), ((4,), 8), ((16, 9), 16), ((65,), 128), ((900,), 512)]
)
def test_the_rank_limit_is_the_next_that_vllm_knows(ranks, limit):
    assert rank_limit(ranks) == limit


@pytest.mark.parametrize(
    "header",
    [b"[1]", b"{}", b'{"a": 1}', b'{"a": {"data_offsets": [0, Infinity]}}', b"[" * 50_000, b"null"],
)
def test_a_hostile_header_is_a_typed_error(adapter, header):
    with pytest.raises(AdapterInvalid):
        inspect_adapter(adapter(content=struct.pack("<Q", len(header)) + header + b"\0" * 8))


def test_weights_behind_a_link_are_refused(adapter, tmp_path):
    folder = adapter()
    (folder / "adapter_model.safetensors").rename(folder / "elsewhere")
    (folder / "adapter_model.safetensors").symlink_to(folder / "elsewhere")
    with pytest.raises(AdapterInvalid, match="cannot be opened"):
        inspect_adapter(folder)
