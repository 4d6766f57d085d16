"""Models of their own beside a base and its adapters, and copies of their results."""

import json
import os

import pytest

from rdagent.cli.eval import _variant
from rdagent.core.experiment import FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.errors import RefusedError, UsageError
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.results_folder import copy_results, require_usable
from rdagent.evaluation.run import plan, run
from rdagent.jobs.backends.fake import Program
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator, get_benchmark_env
from tests.unit.scenarios.conftest import evaluates
from tests.weights import weights


@pytest.fixture
def merged(tmp_path):
    folder = tmp_path / "a merged 模型"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(weights("y"))
    return folder


def request(**change):
    return EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=os.environ.get("FT_BASE_MODEL"),
        include=(paths.TASK_FOLDER,),
        **change,
    )


def told(spec):
    return json.loads(spec.files["request.json"])["variants"]


def test_every_model_is_mounted_once_and_each_variant_is_told_its_own(backend, workspace, merged):
    variants = (
        NamedVariant("adapter", workspace / "output"),
        NamedVariant("merged", None, str(merged)),
        NamedVariant("both", workspace / "output", str(merged)),
    )
    _, spec = plan(request(with_base=True, variants=variants))
    assert [(v["name"], v["model"], v["adapter"]) for v in told(spec)] == [
        ("base", "{mount:base_model}", None),
        ("adapter", "{mount:base_model}", "{mount:adapter_1}"),
        ("merged", "{mount:model_1}", None),
        ("both", "{mount:model_1}", "{mount:adapter_3}"),
    ]
    sources = {m.name: m.source for m in spec.mounts if "model" in m.name}
    assert sources["model_1"] == str(merged)
    assert len({m.target for m in spec.mounts}) == len(spec.mounts)


def test_models_alone_need_no_base_model(backend, merged, monkeypatch):
    monkeypatch.delenv("FT_BASE_MODEL")
    _, spec = plan(request(variants=(NamedVariant("merged", None, str(merged)),)))
    assert told(spec)[0]["model"] == "{mount:base_model}"


def test_another_model_under_the_same_name_is_another_run(backend, merged):
    asked = request(variants=(NamedVariant("m", None, str(merged)),))
    fake = backend()
    first = run(asked, fake)
    assert run(asked, fake).run_id == first.run_id
    (merged / "model.safetensors").write_bytes(weights("z"))
    assert run(asked, fake).run_id != first.run_id


def test_a_run_has_the_name_that_it_was_given_and_is_the_same_run_under_another(backend):
    fake = backend()
    first = run(request(with_base=True, label="before the change"), fake)
    again = run(request(with_base=True, label="later"), fake)
    assert again.run_id == first.run_id
    document = json.loads((first.folder / "request.json").read_text())
    assert document["label"] == "before the change"


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("m=Qwen/Base", NamedVariant("m", None, "Qwen/Base")),
        ("m=/a/b", NamedVariant("m", None, "/a/b")),
        ("m=base+ad=1", NamedVariant("m", "ad=1", "base")),
        ("m=+adapter", NamedVariant("m", "adapter", None)),
    ],
)
def test_a_variant_is_a_model_an_adapter_or_both(text, variant):
    read = _variant(text)
    assert (read.name, str(read.adapter) if read.adapter else None, read.model) == (
        variant.name,
        variant.adapter,
        variant.model,
    )


def test_a_folder_with_a_plus_in_its_name_is_a_model(tmp_path):
    (tmp_path / "c++").mkdir()
    assert _variant(f"m={tmp_path}/c++").adapter is None


@pytest.mark.parametrize("text", ["", "m", "m=", "m=+"])
def test_a_variant_without_a_model_is_refused(text):
    with pytest.raises(UsageError, match="a name and a model"):
        _variant(text)


@pytest.mark.parametrize(
    "change",
    [
        {"max_gen_toks": 0},
        {"tensor_parallel": 0},
        {"gen_kwargs": "temperature"},
        {"gen_kwargs": "[1]"},
        {"gen_kwargs": '{"a": '},
        {"limit": 2.5},
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(backend, change):
    with pytest.raises(UsageError, match=next(iter(change))):
        plan(request(with_base=True, **change))


def test_the_knobs_reach_the_program_inside(backend):
    knobs = {
        "system_prompt": "Answer.",
        "chat_template": False,
        "thinking": True,
        "max_gen_toks": 7,
        "dtype": "bfloat16",
        "long_prompts": "refuse",
        "limit": 3,
    }
    _, spec = plan(request(with_base=True, **knobs))
    inside = json.loads(spec.files["request.json"])
    assert {name: inside[name] for name in knobs} == knobs


def test_results_are_copied_where_they_are_wanted(backend, workspace, tmp_path):
    variants = (NamedVariant("adapter", workspace / "output"),)
    evaluation = run(request(with_base=True, variants=variants), backend())
    copy_results(evaluation, tmp_path / "new" / "out")
    document = json.loads((tmp_path / "new" / "out" / "evaluation.json").read_text())
    assert document["run"] == evaluation.run_id
    for name in ("base", "adapter"):
        assert (tmp_path / "new" / "out" / name / "results.json").is_file()
        assert (tmp_path / "new" / "out" / name / "samples_demo_home.jsonl").is_file()


def test_a_place_where_results_cannot_go_is_named_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "link"):
        with pytest.raises(RefusedError, match="cannot be written"):
            require_usable(place)
    require_usable(tmp_path / "new" / "deep")


def test_what_the_program_inside_noted_is_told_printable_and_capped(backend):
    notes = ["12 of 12 prompts were cut", "\x1b]0;title\x07bold", 7, *(["x" * 10_000] * 50)]

    def act(words, out):
        evaluates().does(words, out)
        document = {"schema": "rdagent.variant/1", "notes": notes}
        (out / "variants" / "base" / "variant.json").write_text(json.dumps(document))

    (variant,) = run(request(with_base=True), backend(evaluate=Program(does=act))).variants
    assert variant.notes[0] == "12 of 12 prompts were cut"
    assert "\x1b" not in variant.notes[1]
    assert len(variant.notes) < 25
    assert max(map(len, variant.notes)) < 500


@pytest.mark.parametrize("content", ["[]", "{", '{"notes": {"a": 1}}'])
def test_a_damaged_note_file_costs_the_notes_only(backend, content):
    def act(words, out):
        evaluates().does(words, out)
        (out / "variants" / "base" / "variant.json").write_text(content)

    (variant,) = run(request(with_base=True), backend(evaluate=Program(does=act))).variants
    assert variant.notes == ()


@pytest.mark.parametrize(("limit", "meant"), [(1.0, None), (1, 1), (0.5, 0.5), (10.0, 10)])
def test_one_point_zero_is_all_and_one_is_one_from_python_too(backend, workspace, limit, meant):
    fake = backend()
    evaluator = FTBenchmarkEvaluator(
        LLMFinetuneScen(), [mini_home.TASK], limit, backend=fake, include=[paths.TASK_FOLDER]
    )
    evaluator.evaluate(Task(name="t"), FBWorkspace(workspace), None)
    inside = json.loads(fake.created[0].spec.files["request.json"])
    assert inside["limit"] == meant


def test_a_limit_given_as_all_takes_back_the_settings(backend, workspace, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "3")
    fake = backend()
    evaluator = FTBenchmarkEvaluator(
        LLMFinetuneScen(), [mini_home.TASK], 1.0, backend=fake, include=[paths.TASK_FOLDER]
    )
    evaluator.evaluate(Task(name="t"), FBWorkspace(workspace), None)
    assert json.loads(fake.created[0].spec.files["request.json"])["limit"] is None


@pytest.mark.parametrize(("limit", "variable"), [(1.0, None), (1, "1"), (0.25, "0.25")])
def test_the_container_is_told_the_limit_that_is_meant(workspace, monkeypatch, limit, variable):
    monkeypatch.setenv("FT_BENCHMARK_INCLUDE", str(paths.TASK_FOLDER))
    model = os.environ["FT_BASE_MODEL"]
    _, variables = get_benchmark_env([mini_home.TASK], workspace / "output", model, limit)
    assert variables.get("LIMIT") == variable
    assert "INCLUDE_PATH" in variables
