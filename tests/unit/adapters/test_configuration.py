"""What is said of an adapter_config.json."""

import json

import pytest

from rdagent.adapters.configuration import read_configuration


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "config_invalid"),
        ("null", "config_invalid"),
        ('"LORA"', "config_invalid"),
        ("{", "config_invalid"),
        ("  \n", "file_empty"),
        ('{"r": NaN}', "config_invalid"),
        ('{"r": ' + "[" * 50_000, "config_invalid"),
        ('{"x": "' + "x" * (17 << 20) + '"}', "config_invalid"),
        ('{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}', "config_invalid"),
        ("{}", "field_missing"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(bench, text, code):
    (bench.folder / "adapter_config.json").write_text(text)
    assert bench.errors() == [code]


def test_a_configuration_that_is_no_text_is_invalid(bench):
    (bench.folder / "adapter_config.json").write_bytes(b"\xff\xfe\x00{")
    assert bench.errors() == ["config_invalid"]


@pytest.mark.parametrize("field", ["peft_type", "r", "lora_alpha", "target_modules"])
def test_each_required_field_is_required(bench, field):
    bench.write_config(without=[field])
    assert bench.errors() == ["field_missing"]


@pytest.mark.parametrize("kind", ["PREFIX_TUNING", "IA3", "ADALORA", "lora", None, 1, ["LORA"]])
def test_only_lora_is_taken(bench, kind):
    bench.write_config(peft_type=kind)
    assert bench.errors() == ["peft_type_unsupported"]


@pytest.mark.parametrize("rank", ["16", True, -4, 0, 4.0, 4.5, None, [4], {}, 1 << 40])
def test_a_rank_that_is_no_positive_whole_number_is_refused(bench, rank):
    bench.write_config(r=rank)
    assert bench.errors() == ["rank_invalid"]


@pytest.mark.parametrize("alpha", ["16", True, -4, 0, None, [8], 10**40])
def test_an_alpha_that_is_no_positive_number_is_refused(bench, alpha):
    bench.write_config(lora_alpha=alpha)
    assert bench.errors() == ["alpha_invalid"]


def test_an_alpha_may_be_a_fraction(bench):
    bench.write_config(lora_alpha=12.5)
    assert bench.errors() == []


@pytest.mark.parametrize("targets", [[], "", [1], [""], {"q_proj": 1}, 3, "(q_proj", "((a+)+)+b"])
def test_targets_that_name_nothing_are_refused(bench, targets):
    bench.write_config(target_modules=targets)
    assert bench.errors() == ["target_modules_invalid"]


@pytest.mark.parametrize(
    "targets",
    ["all-linear", r".*\.(q|v)_proj", r"^(?!.*visual).*(?:q_proj|v_proj).*", ["q_proj", "v_proj"]],
)
def test_targets_may_be_names_a_pattern_or_all_linear(bench, targets):
    bench.write_config(target_modules=targets)
    assert bench.errors(with_base=True) == []


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
@pytest.mark.parametrize(
    "value", [[], "q_proj", {"q_proj": "4"}, {"q_proj": 0}, {"(": 4}, {"(a|aa)+": 4}, {"x": None}]
)
def test_patterns_that_cannot_be_applied_are_refused(bench, field, value):
    bench.write_config(**{field: value})
    assert bench.errors() == ["pattern_invalid"]


@pytest.mark.parametrize(
    "change",
    [
        {"bias": True},
        {"bias": "some"},
        {"bias": None},
        {"use_dora": "yes"},
        {"use_rslora": 1},
        {"modules_to_save": "lm_head"},
        {"modules_to_save": [1]},
        {"lora_dropout": 2},
        {"base_model_name_or_path": 7},
        {"layers_to_transform": [-1]},
        {"layers_to_transform": "1"},
        {"init_lora_weights": 3},
        {"exclude_modules": "("},
        {"trainable_token_indices": ["a"]},
        {"fan_in_fan_out": "false"},
        {"target_parameters": "experts"},
    ],
)
def test_a_field_of_the_wrong_type_is_refused(bench, change):
    bench.write_config(**change)
    assert bench.errors() == ["field_invalid"]


def test_a_field_that_peft_does_not_know_is_a_warning(bench):
    bench.write_config(use_doar=True)
    assert bench.codes() == ["field_unknown"]


@pytest.mark.parametrize(
    ("task", "codes"),
    [("CAUSAL_LM", []), (None, ["task_type_missing"]), ("SEQ_CLS", ["task_type_unsupported"]),
     ("causal", ["task_type_unsupported"])],
)  # fmt: skip
def test_the_task_is_text_generation(bench, task, codes):
    bench.write_config(task_type=task)
    assert bench.codes() == codes


@pytest.mark.parametrize(
    ("version", "codes"), [("0.5.0", []), ("0.21.2", []), ("9.0.0", ["peft_newer"]), ("git", [])]
)
def test_a_newer_peft_than_the_evaluations_is_noted(bench, version, codes):
    bench.write_config(peft_version=version)
    assert bench.codes() == codes


def test_no_base_named_is_a_note(bench):
    bench.write_config(base_model_name_or_path=None)
    assert bench.codes() == ["base_unnamed"]


@pytest.mark.parametrize(
    ("pattern", "module", "rank"),
    [
        ({"q_proj": 8}, "model.layers.0.self_attn.q_proj", 8),
        ({"q_proj": 8}, "model.layers.0.self_attn.xq_proj", 4),
        ({"layers.1.self_attn.q_proj": 8}, "model.layers.1.self_attn.q_proj", 8),
        ({"layers.1.self_attn.q_proj": 8}, "model.layers.11.self_attn.q_proj", 4),
        ({r"^model\.layers\.0\.self_attn\.q_proj": 8}, "model.layers.0.self_attn.q_proj", 8),
        ({"q_proj": 8, ".*q_proj": 2}, "model.layers.0.self_attn.q_proj", 8),
    ],
)
def test_a_modules_rank_follows_pefts_rule(bench, pattern, module, rank):
    bench.write_config(rank_pattern=pattern)
    configuration, _ = read_configuration(bench.folder)
    assert configuration.rank_of(module) == rank
    assert configuration.highest_rank == max(4, *pattern.values())


def test_rslora_divides_by_the_root_of_the_rank(bench):
    bench.write_config(use_rslora=True, alpha_pattern={"v_proj": 2})
    configuration, _ = read_configuration(bench.folder)
    assert configuration.scale_of("x.q_proj") == 4.0
    assert configuration.scale_of("x.v_proj") == 1.0


def test_every_problem_of_one_configuration_is_said_at_once(bench):
    bench.write_config(r="4", lora_alpha=0, bias="some")
    assert sorted(bench.errors()) == ["alpha_invalid", "field_invalid", "rank_invalid"]
    assert json.dumps(bench.check().to_json(), allow_nan=False)
