"""Seeded mismatches are found at their level, and pairs that fit raise no alarm."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rdagent.comparison.guard import find_differences, merge_findings
from rdagent.comparison.operands import find_sources
from rdagent.comparison.pairing import pair
from rdagent.comparison.read import read_side
from rdagent.comparison.report import Finding
from tests.unit.comparison.builders import (
    TEMPLATE,
    TaskSpec,
    doc_sha,
    rows_of,
    sha,
    write_rows,
    write_run,
    write_side,
)

RIGHT = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1]
WRONG = [0, 0, 1, 1, 1, 0, 1, 1, 1, 0]
DOCS = [{"question": f"What is {n}?", "subject": "s", "answer": str(n)} for n in range(10)]
GSM = TaskSpec(RIGHT, "exact_match", "flexible", n_shot=5, docs=DOCS)
CHOICE = TaskSpec(RIGHT, "acc", kind="choice", docs=DOCS)
TASKS = {"gsm8k": GSM, "arc": CHOICE}
OTHER = {"gsm8k": GSM.with_values(WRONG), "arc": CHOICE.with_values(WRONG)}


@pytest.fixture
def both(tmp_path):
    """Write a base and a candidate; returns every finding of guard and pairing."""

    def findings(base: dict[str, Any], candidate: dict[str, Any]) -> list[Finding]:
        write_side(tmp_path / "a", **{"tasks": TASKS, **base})
        write_side(tmp_path / "b", **{"model": "tuned", "tasks": OTHER, **candidate})
        return found_in(str(tmp_path / "a"), str(tmp_path / "b"), root=tmp_path)

    return findings


def found_in(*words, root):
    one, other = (read_side(source) for source in find_sources(words, root))
    found = list(find_differences(one, other))
    for task, filters in one.items.items():
        for name, items in filters.items():
            theirs = other.items.get(task, {}).get(name)
            found.extend(pair(items, theirs).findings if theirs else ())
    return found


def levels(findings, name):
    return {one.level for one in findings if name in one.field}


def task(change: dict[str, Any], name: str = "gsm8k") -> dict[str, Any]:
    """Return a candidate's settings with one task changed."""
    return {"tasks": {**OTHER, name: replace(OTHER[name], **change)}}


def changed(place, **fields):
    return [{**doc, **fields} if n == place else doc for n, doc in enumerate(DOCS)]


MISMATCHES = [
    # what cannot be compared
    ("version", "FATAL", task({"version": 2.0})),
    ("version", "FATAL", task({"version": "3.1"}, "arc")),
    ("doc_hash", "FATAL", task({"docs": changed(3, question="What else?")})),
    ("doc_hash", "FATAL", task({"docs": [{"question": f"New {n}"} for n in range(10)]})),
    ("doc_hash", "FATAL", task({"docs": [{"q": n} for n in range(10)], "ids": range(10, 20)})),
    ("target_hash", "FATAL", task({"targets": [f"other {n}" for n in range(10)]})),
    ("target_hash", "FATAL", task({"targets": [f"target {n % 9}" for n in range(10)]})),
    ("higher_is_better", "FATAL", task({"higher_is_better": False})),
    # another way of asking, calculating or reading
    ("prompt_hash", "WARN", task({"prompts": [f"Q: {n}" for n in range(10)]})),
    ("num_fewshot", "WARN", task({"n_shot": 0})),
    ("fewshot_seed", "WARN", {"config": {"fewshot_seed": 99}}),
    ("system_instruction", "WARN", {"document": {"system_instruction_sha": sha("You are")}}),
    ("chat_template", "WARN", {"document": {"chat_template_sha": sha("other")}}),
    ("chat_template", "WARN", {"document": {"chat_template": None, "chat_template_sha": None}}),
    ("fewshot_as_multiturn", "WARN", {"document": {"fewshot_as_multiturn": False}}),
    ("generation_kwargs", "WARN", task({"config": {"generation_kwargs": {"max_gen_toks": 64}}})),
    ("generation_kwargs", "WARN", task({"config": {"generation_kwargs": {"until": ["Q:"]}}})),
    ("gen_kwargs", "WARN", {"config": {"gen_kwargs": "temperature=0.6,do_sample=True"}}),
    ("filter_list", "WARN", task({"config": {"filter_list": [{"name": "flexible"}]}})),
    ("limit", "WARN", {"config": {"limit": 8}, "tasks": {"arc": replace(CHOICE, values=[1] * 8)}}),
    ("doc_id", "WARN", task({"values": WRONG[:8], "docs": DOCS[:8]})),
    ("dtype", "WARN", {"config": {"model_dtype": "torch.bfloat16"}}),
    ("dtype", "WARN", {"model_args": {"dtype": "bfloat16"}}),
    ("quantization", "WARN", {"model_args": {"load_in_4bit": True}}),
    ("quantization", "WARN", {"model_args": {"quantization": "fp8"}}),
    ("model_args.add_bos_token", "WARN", {"model_args": {"add_bos_token": True}}),
    ("engine", "WARN", {"config": {"model": "vllm"}}),
    ("engine", "WARN", {"document": {"model_source": "vllm"}}),
    ("tokenizer_eos_token", "WARN", {"document": {"tokenizer_eos_token": ["</s>", "2"]}}),
    ("eot_token_id", "WARN", {"document": {"eot_token_id": 7}}),
    ("max_length", "WARN", {"document": {"max_length": 1024}}),
    ("max_length", "WARN", {"model_args": {"max_length": 512}}),
    ("metric_list", "WARN", task({"config": {"metric_list": [{"metric": "exact_match"}]}})),
    ("process_results", "WARN", task({"config": {"process_results": "def b(): ..."}}, "arc")),
    ("repeats", "WARN", task({"config": {"repeats": 4}})),
    ("samples", "WARN", {"samples": False}),
    # good to know
    ("lm_eval_version", "INFO", {"document": {"lm_eval_version": "0.4.9.1"}}),
    ("transformers_version", "INFO", {"document": {"transformers_version": "4.57.6"}}),
    ("batch_size", "INFO", {"config": {"batch_size": "1"}}),
    ("device", "INFO", {"config": {"device": "cuda:0"}}),
    ("torch_seed", "INFO", {"config": {"torch_seed": 7}}),
    ("tokenizer_pad_token", "INFO", {"document": {"tokenizer_pad_token": ["</s>", "2"]}}),
    ("dataset_path", "INFO", task({"config": {"dataset_path": "org/mirror"}})),
    ("n-samples", "INFO", task({"original": 99})),
    ("doc_to_text", "INFO", task({"config": {"doc_to_text": "Q: {{question}}"}})),
]
#: What a base has that the candidates above differ from.
BASES = {
    "max_length": {"model_args": {"max_length": 2048}},
    "process_results": {
        "tasks": {**TASKS, "arc": replace(CHOICE, config={"process_results": "def a(): ..."})}
    },
}


@pytest.mark.parametrize(("name", "level", "candidate"), MISMATCHES)
def test_a_mismatch_is_found_at_its_level(both, name, level, candidate):
    found = both(BASES.get(name, {}), candidate)
    assert levels(found, name) == {level}
    graver = {"FATAL": set(), "WARN": {"FATAL"}, "INFO": {"FATAL", "WARN"}}[level]
    assert not {one.level for one in found} & graver


def test_there_are_enough_seeded_mismatches():
    assert len([level for _, level, _ in MISMATCHES if level != "INFO"]) >= 25


CLEAN = {
    "other scores": ({}, {}),
    "an adapter": ({}, {"adapter": "/adapters/tuned"}),
    "an adapter on vllm": (
        {"config": {"model": "vllm"}},
        {
            "config": {"model": "vllm"},
            "model_args": {"lora_local_path": "/a", "max_lora_rank": 32, "enable_lora": True},
        },
    ),
    "another folder of the model": ({"model": "/workspace/models/base"}, {"model": "org/base"}),
    "other model sizes": ({}, {"config": {"model_num_parameters": 5, "model_sha": "abc"}}),
    "arguments as a text": ({}, {"config": {"model_args": "pretrained=base,dtype=float32"}}),
    "arguments in another order": (
        {"model_args": {"use_fast_tokenizer": True, "revision": "main"}},
        {"config": {"model_args": "revision=main,use_fast_tokenizer=True,pretrained=x"}},
    ),
    "a type by its other name": (
        {"config": {"model_dtype": None}, "model_args": {"dtype": "bfloat16"}},
        {"config": {"model_dtype": None}, "model_args": {"dtype": "bf16"}},
    ),
    "a type that came out the same": (
        {"model_args": {"dtype": "auto"}},
        {"model_args": {"dtype": "float32"}},
    ),
    "a version as a text": (task({"version": 3}), task({"version": "3.0"})),
    "no version at all": (task({"version": "Yaml"}), task({"version": None})),
    "a model that a program handed over": (
        {},
        {"config": {"model": "/models/base"}, "document": {"model_source": "CUSTOM"}},
    ),
    "the engine by its old name": ({}, {"config": {"model": "huggingface"}}),
    "a limit that leaves all": ({}, {"config": {"limit": 100}}),
    "samples in another order": ({"shuffle": 1}, {"shuffle": 7}),
    "another stop list's order": (
        task({"config": {"generation_kwargs": {"until": ["a", "b"]}}}),
        task({"config": {"generation_kwargs": {"until": ["b", "a"]}}}),
    ),
    "greedy in other words": (
        task({"config": {"generation_kwargs": {"temperature": 1.0, "do_sample": False}}}),
        task({"config": {"generation_kwargs": {"temperature": 0.0}}}),
    ),
    "a tokenizer of its own": ({}, {"model_args": {"tokenizer": "/adapters/tuned"}}),
    "another mirror of the data": ({}, task({"config": {"dataset_path": "org/mirror"}})),
    "another place in memory": (
        task({"config": {"process_results": "<function f at 0x7f01>"}}),
        task({"config": {"process_results": "<function f at 0x7f99>"}}),
    ),
    "null settings": ({}, task({"config": {"use_prompt": None, "fewshot_config": None}})),
    "null settings within others": (
        task({"config": {"filter_list": [{"name": "flexible", "filter": None}]}}),
        task({"config": {"filter_list": [{"name": "flexible"}]}}),
    ),
    "other seeds of no weight": ({}, {"config": {"random_seed": 1, "torch_seed": 2}}),
    "no examples, another seed": (
        {"tasks": {"arc": CHOICE}},
        {"tasks": {"arc": CHOICE.with_values(WRONG)}, "config": {"fewshot_seed": 9}},
    ),
    "all items equal": ({}, {"tasks": TASKS}),
    "one item": (
        {"tasks": {"a": TaskSpec([1])}},
        {"tasks": {"a": TaskSpec([0])}},
    ),
    "a document that is there twice": (
        task({"docs": [DOCS[0], DOCS[0], *DOCS[2:]]}),
        task({"docs": [DOCS[0], DOCS[0], *DOCS[2:]]}),
    ),
    "task hashes in gathered order": ({}, {"document": {"task_hashes": {"gsm8k": "x"}}}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_pair_that_fits_raises_no_alarm(tmp_path, name):
    for folder, given, tasks, model in (
        ("a", CLEAN[name][0], TASKS, "base"),
        ("b", CLEAN[name][1], OTHER, "tuned"),
    ):
        told = {"model": model, "tasks": tasks, **given}
        shuffle = told.pop("shuffle", None)
        path = write_side(tmp_path / folder, **told)
        if shuffle:
            for task_name, spec in tasks.items():
                rows = rows_of(task_name, spec)
                places = [place * shuffle % 11 for place in range(1, 11)]
                samples = next(path.parent.glob(f"samples_{task_name}_*"))
                write_rows(samples, [rows[place - 1] for place in places])
    found = found_in(str(tmp_path / "a"), str(tmp_path / "b"), root=tmp_path)
    assert not [one for one in found if one.level != "INFO"]


def test_there_are_enough_clean_pairs():
    assert len(CLEAN) >= 20


def test_two_models_of_one_run_differ_in_nothing(tmp_path):
    run = write_run(
        tmp_path,
        {"base": {"tasks": TASKS}, "tuned": {"tasks": OTHER, "adapter": "/a/tuned"}},
    )
    assert found_in(str(run), root=tmp_path) == []


def test_what_concerns_every_task_is_said_once(both):
    tasks = {f"t{n}": replace(GSM, docs=DOCS) for n in range(18)}
    other = {name: replace(spec, version=2.0) for name, spec in tasks.items()}
    found = [one for one in both({"tasks": tasks}, {"tasks": other}) if one.level == "FATAL"]
    assert [(one.field, one.task) for one in found] == [("version", None)]
    assert "all 18 tasks" in found[0].says


def test_what_concerns_one_task_names_it(both):
    found = [one for one in both({}, task({"version": 2.0})) if one.field == "version"]
    assert [(one.task, one.base, one.candidate) for one in found] == [("gsm8k", "1.0", "2.0")]


def test_what_concerns_many_tasks_names_the_first():
    findings = [Finding("WARN", "x", "1", "2", task=f"t{n}", says="why") for n in range(5)]
    (found,) = merge_findings(findings, [f"t{n}" for n in range(9)])
    assert (found.task, found.says) == (None, "why [5 of 9 tasks (t0, t1, t2, …)]")


def test_the_gravest_comes_first(both):
    found = both({}, {**task({"version": 2.0}), "config": {"device": "cuda", "fewshot_seed": 3}})
    order = ["FATAL", "WARN", "INFO"]
    assert [one.level for one in found] == sorted((f.level for f in found), key=order.index)


def test_one_cache_of_answers_for_both_is_a_warning(both):
    cache = {"config": {"use_cache": "/cache/answers"}}
    assert levels(both(cache, cache), "use_cache") == {"WARN"}
    assert not levels(both(cache, {"config": {"use_cache": "/cache/other"}}), "use_cache")


def test_the_same_results_twice_are_said(tmp_path):
    folder = str(tmp_path / "a")
    write_side(tmp_path / "a", tasks=TASKS)
    found = found_in(folder, folder, root=tmp_path)
    assert [(one.level, one.field) for one in found] == [("INFO", "model")]


def test_one_model_under_two_names_is_said(tmp_path):
    told = {"tasks": TASKS, "identity": sha("same")}
    run = write_run(tmp_path, {"base": told, "tuned": {**told, "tasks": OTHER}})
    found = found_in(str(run), root=tmp_path)
    assert [one.says for one in found] == ["both sides are the same model"]


@pytest.mark.parametrize("name", ["dataset_path", "dataset_name", "test_split"])
def test_another_dataset_is_fatal_where_no_hash_can_tell(both, name):
    settings = {"samples": False}
    found = both(settings, {**settings, **task({"config": {name: "another"}})})
    assert levels(found, name) == {"FATAL"}


def test_other_data_files_are_a_warning_where_no_hash_can_tell(both):
    files = [{"data_files": {"test": f"/data/{n}.jsonl"}} for n in range(2)]
    base, candidate = (task({"config": {"dataset_kwargs": told}}) for told in files)
    found = both({**base, "samples": False}, {**candidate, "samples": False})
    assert levels(found, "dataset_kwargs") == {"WARN"}
    assert levels(both(base, candidate), "dataset_kwargs") == {"INFO"}


def test_another_prompt_in_the_settings_is_a_warning_where_no_hash_can_tell(both):
    settings = {"samples": False}
    found = both(settings, {**settings, **task({"config": {"doc_to_text": "Q: {{question}}"}})})
    assert levels(found, "doc_to_text") == {"WARN"}


def test_a_dataset_of_another_size_is_a_warning_where_no_hash_can_tell(both):
    found = both({"samples": False}, {"samples": False, **task({"original": 99})})
    assert levels(found, "n-samples") == {"WARN"}


def test_decoding_is_read_from_the_samples_where_the_settings_do_not_say(tmp_path):
    plain = {"a": TaskSpec(RIGHT, config={"generation_kwargs": {"max_gen_toks": 32}})}
    longer = {"a": TaskSpec(WRONG, config={"generation_kwargs": {"max_gen_toks": 64}})}
    for folder, tasks in (("a", plain), ("b", longer)):
        write_side(tmp_path / folder, tasks=tasks, document={"configs": {}}, model=folder)
    found = found_in(str(tmp_path / "a"), str(tmp_path / "b"), root=tmp_path)
    assert levels(found, "generation_kwargs") == {"WARN"}


def test_results_without_settings_are_said_once(tmp_path):
    for name, value in (("base", 0.5), ("tuned", 0.75)):
        told = {"model": name, "results": {"gsm8k": {"exact_match": value}}}
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    words = [str(tmp_path / f"{name}.json") for name in ("base", "tuned")]
    found = found_in(*words, root=tmp_path)
    assert [(one.level, one.field) for one in found] == [("WARN", "samples"), ("INFO", "settings")]


def test_fewshot_flags_matter_less_without_examples_and_template(both):
    plain = {"chat_template": None, "chat_template_sha": None}
    tasks = {"arc": CHOICE}
    found = both(
        {"tasks": tasks, "document": plain},
        {"tasks": tasks, "document": {**plain, "fewshot_as_multiturn": False}},
    )
    assert levels(found, "fewshot_as_multiturn") == {"INFO"}


def test_a_template_without_its_hash_is_compared_by_its_text(both):
    told = {"chat_template_sha": None}
    assert not levels(both({}, {"document": told}), "chat_template")
    other = {"document": {**told, "chat_template": f"{TEMPLATE}!"}}
    assert levels(both({}, other), "chat_template") == {"WARN"}


def test_strangers_settings_become_one_printable_line(both):
    nasty = "\x1b[31m\u202eevil\n<script>" * 50
    found = both({"model_args": {"x": "a"}}, {"model_args": {"x": nasty, nasty: 1}})
    for one in found:
        for text in (one.field, one.base, one.candidate, one.says):
            assert not any(mark in (text or "") for mark in ("\x1b", "\u202e", "\n"))
            assert len(text or "") < 300


def test_settings_that_differ_far_behind_differ_in_what_is_shown(both):
    codes = ["x = 1\n" * 100 + ending for ending in ("return a", "return b")]
    base, candidate = (task({"config": {"process_results": code}}) for code in codes)
    (found,) = [one for one in both(base, candidate) if one.field == "process_results"]
    assert found.base != found.candidate


@pytest.mark.parametrize(
    "broken",
    [
        {"config": {}},
        {"config": {"model_args": 5, "model": 7, "limit": "x", "gen_kwargs": [1]}},
        {"configs": {"gsm8k": 3, "arc": {"metric_list": 3, "generation_kwargs": 1}}},
        {"configs": []},
        {"tokenizer_eos_token": {"a": 1}, "max_length": "long", "chat_template": 7},
        {"date": "yesterday", "lm_eval_version": 3},
    ],
)
def test_broken_settings_break_nothing(both, broken):
    both({}, {"document": broken})
    both({"document": broken}, {"document": broken})


def test_the_builders_hash_is_lm_evals():
    assert doc_sha({"a": 1}) == sha('{\n  "a": 1\n}')
