"""What is said of an adapter's tensors: names, layers, shapes, values."""

import numpy
import pytest

from tests.unit.adapters.conftest import (
    HIDDEN,
    KV,
    LAYERS,
    PREFIX,
    RANK,
    VOCABULARY,
    lora_tensors,
    safetensors,
)


def renamed(bench, change):
    bench.tensors = {change(name): values for name, values in bench.tensors.items()}
    bench.write_weights()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n: n.replace(".weight", ".default.weight"), "name_adapter"),
        (lambda n: n.replace(".weight", ".mine.weight"), "name_adapter"),
        (lambda n: n.removeprefix("base_model.model."), "name_prefix"),
        (lambda n: n.removeprefix("base_model."), "name_prefix"),
        (lambda n: f"base_model.model.{n}", "name_prefix"),
        (lambda n: n.removeprefix("base_model.model.") if ".0." in n else n, "name_prefix"),
        (lambda n: n.replace("model.layers", "_orig_mod.layers"), "name_wrapper"),
        (lambda n: n.replace("layers.", "layers._fsdp_wrapped_module."), "name_wrapper"),
        (lambda n: f"module.{n}", "name_wrapper"),
        (lambda n: n.replace("lora_A", "lora_C").replace("lora_B", "lora_D"), "name_unexpected"),
        (lambda n: n.replace(".lora_A", "").replace(".lora_B", ".x"), "not_lora_weights"),
        (lambda n: n.replace("self_attn", "x" * 600), "name_unexpected"),
    ],
)
def test_names_that_no_reader_finds_are_an_error(bench, change, code):
    renamed(bench, change)
    assert code in bench.errors()


@pytest.mark.parametrize("half", ["a", "b"])
def test_a_matrix_without_its_other_half_is_an_error(bench, half):
    del bench.tensors[getattr(bench, half)(1)]
    bench.write_weights()
    assert bench.errors() == ["pair_incomplete"]


def test_a_layer_that_is_missing_is_an_error_when_the_base_is_at_hand(bench):
    del bench.tensors[bench.a(LAYERS - 1)], bench.tensors[bench.b(LAYERS - 1)]
    bench.write_weights()
    assert bench.errors(with_base=True) == ["layers_missing"]
    (found,) = bench.check(with_base=True).errors
    assert f"layers.{LAYERS - 1}.self_attn.q_proj" in found.message
    assert bench.codes() == ["layers_uneven"]


def test_a_targeted_module_that_is_missing_everywhere_is_an_error(bench):
    bench.write_config(target_modules=["q_proj", "k_proj", "v_proj"])
    assert bench.errors(with_base=True) == ["layers_missing"]


def test_a_whole_layer_missing_in_the_middle_is_noticed_without_a_base(bench):
    bench.tensors = {n: v for n, v in bench.tensors.items() if ".layers.1." not in n}
    bench.write_weights()
    assert bench.codes() == ["layers_uneven"]


@pytest.mark.parametrize("layers", [1, [1]])
def test_layers_that_were_left_out_on_purpose_are_not_missing(bench, layers):
    bench.tensors = {n: v for n, v in bench.tensors.items() if ".layers.1." in n}
    bench.write_config(layers_to_transform=layers)
    bench.write_weights()
    assert bench.codes() == bench.codes(with_base=True) == []


def test_modules_that_are_excluded_are_not_missing(bench):
    bench.write_config(target_modules=["q_proj", "v_proj", "k_proj"], exclude_modules=["k_proj"])
    assert bench.codes(with_base=True) == []


def test_a_target_that_the_base_does_not_have_is_no_matter(bench):
    bench.write_config(target_modules=["q_proj", "v_proj", "no_such_proj"])
    assert bench.codes(with_base=True) == []


def test_a_layer_beyond_the_bases_last_is_an_error(bench):
    bench.write_base(num_hidden_layers=LAYERS - 1)
    assert bench.errors(with_base=True) == ["layer_out_of_range"]


def test_a_module_that_the_base_lacks_is_an_error(bench):
    renamed(bench, lambda n: n.replace("v_proj", "value"))
    bench.write_config(target_modules=["q_proj", "value"])
    assert bench.errors(with_base=True) == ["module_unknown"]


def test_a_prefix_that_only_names_the_same_layers_differently_is_no_error(bench):
    renamed(bench, lambda n: n.replace("model.model.layers", "model.model.language_model.layers"))
    assert bench.errors(with_base=True) == []


def test_experts_that_are_stored_fused_fit_a_base_that_stores_them_apart(bench):
    experts = f"{PREFIX}.layers.0.mlp.experts"
    for name, shape in (("A", (RANK * 2, HIDDEN)), ("B", (HIDDEN, RANK * 2))):
        bench.tensors[f"{experts}.lora_{name}.weight"] = numpy.random.default_rng(0).normal(
            size=shape
        )
    bench.write_weights()
    bench.write_config(target_parameters=["mlp.experts.down_proj"])
    bench.write_base(num_experts=2)
    assert bench.errors(with_base=True) == []


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "code"),
    [
        ((RANK, HIDDEN), (HIDDEN, RANK + 1), "shape_invalid"),
        ((RANK + 1, HIDDEN), (HIDDEN, RANK + 1), "rank_mismatch"),
        ((RANK, KV), (KV, RANK), "shape_mismatch"),
        ((RANK, HIDDEN + 1), (HIDDEN, RANK), "shape_mismatch"),
        ((RANK, HIDDEN), (HIDDEN - 1, RANK), "shape_mismatch"),
        ((RANK * HIDDEN,), (HIDDEN, RANK), "shape_invalid"),
        ((RANK, HIDDEN, 1, 1), (HIDDEN, RANK, 1, 1), "shape_invalid"),
        ((0, HIDDEN), (HIDDEN, 0), "tensor_empty"),
        ((0,), (0,), "tensor_empty"),
    ],
)
def test_a_shape_that_cannot_be_is_named(bench, shape_a, shape_b, code):
    bench.tensors[bench.a()] = numpy.full(shape_a, 0.1)
    bench.tensors[bench.b()] = numpy.full(shape_b, 0.1)
    bench.write_weights()
    assert bench.errors(with_base=True) == [code]


def test_without_the_bases_weights_its_configuration_gives_the_sizes(bench):
    bench.tensors[bench.b(0, "v_proj")] = numpy.full((KV * 2, RANK), 0.1)
    bench.write_weights()
    (bench.base_folder / "model.safetensors").unlink()
    assert bench.errors(with_base=True) == ["shape_mismatch"]
    bench.write_base(head_dim=8)
    (bench.base_folder / "model.safetensors").unlink()
    assert bench.errors(with_base=True) == ["shape_mismatch"]


def test_a_packed_bases_shapes_are_not_compared(bench):
    bench.write_base(quantization_config={"quant_method": "gptq"})
    packed = {
        f"model.layers.{layer}.self_attn.{module}.qweight": numpy.ones((2, HIDDEN))
        for layer in range(LAYERS)
        for module in ("q_proj", "v_proj")
    }
    (bench.base_folder / "model.safetensors").write_bytes(safetensors(packed, "I32"))
    assert bench.errors(with_base=True) == []


def test_ranks_by_pattern_are_asked_of_the_right_modules(bench):
    bench.tensors = {**lora_tensors({"q_proj": HIDDEN}, 8), **lora_tensors({"v_proj": KV}, RANK)}
    bench.write_weights()
    assert bench.errors() == ["rank_mismatch"]
    bench.write_config(rank_pattern={"q_proj": 8})
    assert bench.errors() == []
    bench.write_config(rank_pattern={"v_proj": 8})
    assert bench.errors() == ["rank_mismatch"]


def test_conv1d_weights_are_stored_with_inputs_first(bench):
    bench.tensors = lora_tensors({"c_attn": 3 * HIDDEN})
    bench.write_weights()
    bench.write_config(target_modules=["c_attn"], fan_in_fan_out=True)
    base = {
        f"model.layers.{n}.self_attn.c_attn.weight": numpy.ones((HIDDEN, 3 * HIDDEN))
        for n in range(LAYERS)
    }
    (bench.base_folder / "model.safetensors").write_bytes(safetensors(base))
    assert bench.errors(with_base=True) == []


def test_dora_needs_its_magnitudes_and_they_need_it(bench):
    bench.write_config(use_dora=True)
    assert bench.errors() == ["dora_incomplete"]
    for name in list(bench.tensors):
        if "lora_B" in name:
            vector = name.replace("lora_B.weight", "lora_magnitude_vector")
            bench.tensors[vector] = numpy.ones(bench.tensors[name].shape[0])
    bench.write_weights()
    assert bench.codes() == ["dora"]
    bench.write_config()
    assert bench.errors() == ["dora_incomplete"]


def test_modules_to_save_must_be_in_the_file(bench):
    bench.write_config(modules_to_save=["lm_head"])
    assert bench.errors() == ["saved_modules_missing"]
    bench.tensors["base_model.model.lm_head.weight"] = numpy.ones((VOCABULARY, HIDDEN))
    bench.write_weights()
    assert bench.codes() == ["saved_modules"]


def test_a_tensor_that_belongs_to_nothing_is_an_error(bench):
    bench.tensors[f"{PREFIX}.layers.0.input_layernorm.weight"] = numpy.ones(HIDDEN)
    bench.write_weights()
    assert bench.errors() == ["name_unexpected"]


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F64"])
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
@pytest.mark.parametrize("half", ["a", "b"])
def test_one_value_that_is_no_number_is_found_in_every_type(bench, dtype, value, half):
    values = bench.tensors[getattr(bench, half)(2, "v_proj")]
    values[-1, -1] = value
    bench.write_weights(dtype)
    assert bench.errors() == ["not_finite"]


@pytest.mark.parametrize("dtype", ["F32", "F64", "BF16"])
def test_a_number_whose_square_overflows_is_still_a_number(bench, dtype):
    bench.tensors[bench.a()][0, 0] = 1e38
    bench.write_weights(dtype)
    assert "not_finite" not in bench.codes()


@pytest.mark.parametrize(
    ("dtype", "code", "expected"),
    [("F8_E4M3", 0x7F, True), ("F8_E4M3", 0xFF, True), ("F8_E4M3", 0x7E, False),
     ("F8_E5M2", 0x7C, True), ("F8_E5M2", 0xFD, True), ("F8_E5M2", 0x7B, False)],
)  # fmt: skip
def test_eight_bit_floats_are_read_by_their_own_rules(bench, dtype, code, expected):
    bench.write_weights("U8")
    content = bytearray(bench.weights.read_bytes().replace(b'"U8"', f'"{dtype}"'.encode()))
    length = len(content) - sum(values.size for values in bench.tensors.values()) - 8
    content[:8] = length.to_bytes(8, "little")
    content[8 + length :] = bytes([1, 2, 3, 4] * ((len(content) - 8 - length) // 4))
    content[-1] = code
    bench.weights.write_bytes(bytes(content))
    assert ("not_finite" in bench.errors()) is expected
    assert "dtype_unusual" in bench.codes("warning")


@pytest.mark.parametrize("dtype", ["I32", "U8"])
def test_whole_numbers_are_no_weights(bench, dtype):
    bench.tensors = {name: numpy.ones_like(values) for name, values in bench.tensors.items()}
    bench.write_weights(dtype)
    assert bench.errors() == ["dtype_invalid"]


def test_double_precision_is_unusual(bench):
    bench.write_weights("F64")
    assert bench.codes() == ["dtype_unusual"]


@pytest.mark.parametrize("half", ["lora_A", "lora_B"])
def test_an_adapter_that_changes_nothing_is_an_error(bench, half):
    for name, values in bench.tensors.items():
        if half in name:
            values[:] = 0
    bench.write_weights()
    assert bench.errors() == ["untrained"]


def test_minus_zero_is_zero(bench):
    for name, values in bench.tensors.items():
        if "lora_B" in name:
            values[:] = -0.0
    bench.write_weights("BF16")
    assert bench.errors() == ["untrained"]


def test_a_module_that_changes_nothing_is_a_warning(bench):
    bench.tensors[bench.b()][:] = 0
    bench.write_weights()
    assert bench.codes() == ["partly_untrained"]


def test_zero_matrices_beside_a_saved_module_are_not_all_there_is(bench):
    for name, values in bench.tensors.items():
        if "lora_B" in name:
            values[:] = 0
    bench.tensors["base_model.model.lm_head.weight"] = numpy.ones((VOCABULARY, HIDDEN))
    bench.write_weights()
    bench.write_config(modules_to_save=["lm_head"])
    assert bench.errors() == []
    assert "partly_untrained" in bench.codes("warning")


def test_a_matrix_of_one_value_is_a_warning(bench):
    bench.tensors[bench.a()][:] = 0.5
    bench.write_weights()
    assert bench.codes() == ["constant"]


def test_a_module_far_beyond_the_others_is_a_warning(bench):
    bench.tensors[bench.b()] *= 5000
    bench.write_weights()
    assert bench.codes() == ["norm_outlier"]


def test_a_file_that_ends_while_it_is_read_is_no_crash(bench, monkeypatch):
    from rdagent.adapters import check

    header = check.read_header

    def read_then_cut(path):
        found = header(path)
        path.write_bytes(path.read_bytes()[:-4])
        return found

    monkeypatch.setattr(check, "read_header", read_then_cut)
    assert bench.errors() == ["weights_truncated"]
