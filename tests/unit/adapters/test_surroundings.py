"""What is said of an adapter's base, tokenizer, training record, and how it is served."""

import json
import os

import numpy
import pytest

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.check import SCHEMA, check_adapter
from rdagent.adapters.problems import KINDS
from rdagent.adapters.serving import SERVING_CODES, rank_limit
from rdagent.errors import AdapterInvalid
from tests.unit.adapters.conftest import HIDDEN, KV, PREFIX, VOCABULARY, Bench, lora_tensors


def other_base(tmp_path, **changes):
    place = tmp_path / "other"
    place.mkdir()
    bench = Bench(place)
    bench.write_base(**changes)
    return BaseFiles(bench.base_folder)


def test_the_same_base_at_another_path_is_the_same(bench, tmp_path):
    named = other_base(tmp_path, transformers_version="4.1", torch_dtype="float16")
    assert bench.codes(with_base=True, named=named) == []


def test_another_base_is_a_warning_that_names_the_difference(bench, tmp_path):
    named = other_base(tmp_path, rope_theta=1e6)
    (found,) = bench.check(with_base=True, named=named).problems
    assert (found.code, "rope_theta" in found.message) == ("base_different", True)


def test_a_quantised_base_of_the_same_kind_is_a_note(bench, tmp_path):
    named = other_base(tmp_path, quantization_config={"quant_method": "bitsandbytes"})
    assert bench.codes(with_base=True, named=named) == ["base_quantised"]


def test_a_base_of_another_name_that_cannot_be_compared_is_a_note(bench):
    bench.write_config(base_model_name_or_path="some/other")
    assert bench.codes(with_base=True) == ["base_unverified"]


def test_a_base_of_which_nothing_can_be_read_is_no_fault_of_the_adapters(bench):
    (bench.base_folder / "config.json").write_text("[")
    (bench.base_folder / "model.safetensors").write_bytes(b"x")
    assert bench.errors(with_base=True) == []


def tokenizer(folder, highest=VOCABULARY - 1, template="{{ eos_token }}", **config):
    vocabulary = {f"t{n}": n for n in range(highest + 1)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    document = {"eos_token": "t0", "chat_template": template, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(document))


def test_a_tokenizer_of_the_bases_size_is_sound(bench):
    tokenizer(bench.folder)
    tokenizer(bench.base_folder)
    assert bench.codes(with_base=True) == []


def test_tokens_beyond_the_embeddings_are_an_error(bench):
    tokenizer(bench.folder, highest=VOCABULARY)
    assert bench.errors(with_base=True) == ["tokens_beyond_embeddings"]


@pytest.mark.parametrize("name", ["added_tokens.json", "tokenizer_config.json", "tokenizer.json"])
def test_added_tokens_count_wherever_they_are_written(bench, name):
    tokenizer(bench.folder, template="{{ eos_token }}")
    content = (
        json.loads((bench.folder / name).read_text()) if (bench.folder / name).exists() else {}
    )
    content |= {
        "added_tokens.json": {"<new>": VOCABULARY},
        "tokenizer_config.json": {"added_tokens_decoder": {VOCABULARY: {"content": "<new>"}}},
        "tokenizer.json": {"added_tokens": [{"content": "<new>", "id": VOCABULARY}]},
    }[name]
    (bench.folder / name).write_text(json.dumps(content))
    assert bench.errors(with_base=True) == ["tokens_beyond_embeddings"]


def with_embeddings(bench, rows):
    bench.tensors[f"{PREFIX}.embed_tokens.weight"] = numpy.random.default_rng(0).normal(
        size=(rows, HIDDEN)
    )
    bench.write_weights()
    bench.write_config(modules_to_save=["embed_tokens"])


def test_saved_embeddings_make_room_for_added_tokens(bench):
    with_embeddings(bench, VOCABULARY + 2)
    tokenizer(bench.folder, highest=VOCABULARY + 1)
    assert bench.errors(with_base=True) == []
    assert "vocabulary_resized" in bench.codes("warning", with_base=True)
    assert bench.check().adapter.embedding_rows == VOCABULARY + 2


def test_a_resized_vocabulary_without_its_tokenizer_is_a_warning(bench):
    with_embeddings(bench, VOCABULARY + 2)
    assert "tokenizer_missing" in bench.codes("warning", with_base=True)


def test_saved_embeddings_of_another_width_do_not_fit(bench):
    bench.tensors[f"{PREFIX}.embed_tokens.weight"] = numpy.ones((VOCABULARY, HIDDEN + 1))
    bench.write_weights()
    bench.write_config(modules_to_save=["embed_tokens"])
    assert bench.errors(with_base=True) == ["shape_mismatch"]


def test_an_embeddings_lora_must_have_the_bases_rows(bench):
    place = f"{PREFIX}.embed_tokens.lora_embedding"
    bench.tensors[f"{place}_A"] = numpy.random.default_rng(0).normal(size=(4, VOCABULARY))
    bench.tensors[f"{place}_B"] = numpy.random.default_rng(0).normal(size=(HIDDEN, 4))
    bench.write_weights()
    bench.write_config(target_modules=["q_proj", "v_proj", "embed_tokens"])
    assert bench.codes(with_base=True) == ["embedding_lora"]
    bench.tensors[f"{place}_A"] = numpy.ones((4, VOCABULARY + 1))
    bench.write_weights()
    assert "shape_mismatch" in bench.errors(with_base=True)


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        ({"extra_special_tokens": ["<a>"]}, ["tokenizer_list"]),
        ({"extra_special_tokens": {"a": "<a>"}}, []),
        ({"chat_template": None}, ["chat_template_missing"]),
        ({"chat_template": "{{ m }}<|im_end|>", "eos_token": "<|end|>"}, ["stop_token_missing"]),
        ({"chat_template": [{"name": "default", "template": "{{ eos_token }}"}]}, []),
    ],
)
def test_what_a_tokenizers_configuration_says_is_read(bench, config, codes):
    tokenizer(bench.folder, **config)
    assert bench.codes() == codes


def test_a_template_may_stand_in_a_file_of_its_own(bench):
    tokenizer(bench.folder, template=None)
    (bench.folder / "chat_template.jinja").write_text("{{ eos_token }}")
    assert bench.codes() == []


def test_a_template_that_is_not_the_bases_is_a_warning(bench):
    tokenizer(bench.folder, template="{{ eos_token }} mine")
    tokenizer(bench.base_folder)
    assert bench.codes(with_base=True) == ["chat_template_differs"]


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b""])
def test_a_damaged_tokenizer_is_a_warning(bench, content):
    (bench.folder / "tokenizer.json").write_bytes(content)
    assert bench.codes("warning") == ["tokenizer_invalid"]


def state(bench, **fields):
    document = {"global_step": 10, "max_steps": 10, "log_history": [], **fields}
    (bench.folder / "trainer_state.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, []),
        ({"log_history": [{"loss": 2.0}, {"loss": 1.0}, {"eval_loss": 3}]}, []),
        ({"global_step": 4}, ["training_partial"]),
        ({"log_history": [{"loss": 1.0}, {"loss": float("nan")}]}, ["training_diverged"]),
        ({"log_history": [{"loss": 0.0, "grad_norm": float("nan")}]}, ["training_diverged"]),
        ({"log_history": [{"loss": 1.0}, {"loss": float("inf")}, {"loss": 1.0}]}, ["loss_rose"]),
        ({"log_history": [{"loss": 1.0}, {"loss": 1.1}, {"loss": 2.0}]}, ["loss_rose"]),
        ({"log_history": [{"loss": 0.0}, {"loss": 0.0}]}, ["loss_zero"]),
        ({"log_history": "x", "global_step": "4"}, []),
    ],
)
def test_the_trainers_record_is_read(bench, fields, codes):
    state(bench, **fields)
    assert bench.codes() == codes


@pytest.mark.parametrize("content", ["[]", "{", "[" * 50_000, ""])
def test_a_damaged_record_is_a_warning(bench, content):
    (bench.folder / "trainer_state.json").write_text(content)
    assert bench.codes() == ["trainer_state_invalid"]


def test_weights_older_than_the_run_beside_them_are_a_warning(bench):
    state(bench)
    now = (bench.folder / "trainer_state.json").stat().st_mtime
    os.utime(bench.weights, (now - 3600, now - 3600))
    assert bench.codes() == ["weights_stale"]


@pytest.mark.parametrize(
    ("change", "code", "merge"),
    [
        ({"bias": "all"}, "bias_trained", True),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern", True),
        ({"fan_in_fan_out": True}, "fan_in_fan_out", True),
        ({"trainable_token_indices": [1]}, "trainable_tokens", True),
        ({"target_parameters": ["x"]}, "target_parameters", True),
        ({"init_lora_weights": "pissa_niter_4"}, "changes_base", True),
        ({"lora_bias": True}, "lora_bias", False),
        ({"layer_replication": [[0, 2]]}, "layer_replication", False),
        ({"use_qalora": True}, "qalora", False),
        ({"alora_invocation_tokens": [1]}, "activated_lora", False),
        ({"use_bdlora": {"x": 1}}, "variant_unknown", False),
    ],
)
def test_what_vllm_cannot_serve_is_said_and_whether_merging_helps(bench, change, code, merge):
    bench.write_config(**change)
    report = bench.check()
    assert [p.code for p in report.problems] == [code]
    assert report.to_json()["serves"] == {"vllm": False, "hf": True, "merge_needed": merge}
    assert report.remarks == ()


@pytest.mark.parametrize("start", [True, False, "gaussian", "eva"])
def test_a_start_that_leaves_the_base_alone_is_served(bench, start):
    bench.write_config(init_lora_weights=start)
    assert bench.codes() == []


def test_a_rank_above_vllms_limit_is_merged(bench):
    bench.tensors = lora_tensors({"q_proj": HIDDEN, "v_proj": KV}, rank=513)
    bench.write_weights()
    bench.write_config(r=513)
    assert bench.codes() == ["rank_over_limit"]


@pytest.mark.parametrize(
    ("ranks", "limit"), [((), 8), ((4,), 8), ((16, 9), 16), ((65,), 128), ((900,), 512)]
)
def test_the_rank_limit_is_the_next_that_vllm_knows(ranks, limit):
    assert rank_limit(ranks) == limit


def test_the_document_of_a_broken_adapter_serves_nothing(bench):
    bench.write_config(r=0)
    document = bench.check().to_json()
    assert (document["schema"], document["ok"]) == (SCHEMA, False)
    assert document["serves"] == {"vllm": False, "hf": False, "merge_needed": False}
    assert document["problems"][0].keys() == {"code", "severity", "message", "fix"}


def test_several_errors_are_one_refusal_that_counts_them(bench):
    bench.write_config(r=0, lora_alpha=0)
    with pytest.raises(AdapterInvalid, match="1 more"):
        check_adapter(bench.folder).required()


def test_every_code_has_a_meaning_and_a_fix():
    assert all(kind.meaning and kind.fix for kind in KINDS.values())
    assert set(KINDS) >= SERVING_CODES
