"""Refused before the model loads, resumed from a checkpoint, rendered as it is evaluated."""

import json
import shutil
from pathlib import Path

import pytest

import docker
from rdagent.demo import paths
from rdagent.errors import JobFailed
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.training.run import TrainingRequest, run
from tests.engine.conftest import make_workspace

pytestmark = [pytest.mark.engine, pytest.mark.images]

_RENDER = """
import json, sys
from pathlib import Path
from rdagent.inside.train import rendering
from rdagent.inside.train.preflight import examine
values = json.loads(Path("/cases/train.json").read_text())
for model, name, more in json.loads(sys.argv[1]):
    folder = Path("/tmp") / name
    folder.mkdir()
    examined = examine({**values, "model_name_or_path": model, **more}, folder)
    rendering.write(examined.rendering, folder)
    print("RECORD", name, (folder / "rendering.json").read_text().replace("\\n", " "))
"""
_COMPARE = """
import json, sys
from pathlib import Path
from rdagent.inside.evaluate.renderer import Renderer
from rdagent.inside.evaluate.trained_prompts import rendering_notes
for model, name in json.loads(sys.argv[1]):
    notes = rendering_notes("/cases/" + name, Renderer.load(Path(model), "hf", 0, None), chat=True)
    print("NOTES", name, json.dumps(notes))
"""
CASES = [
    ("/model", "own", {}),
    ("/model", "empty", {"template": "empty"}),
    ("/model", "system", {"template": "chatml", "default_system": "Be brief."}),
    ("/cases/qwen2", "pieces", {}),
]


def inside(image: str, code: str, argument: object, folder: Path) -> list[list[str]]:
    mounts = {str(folder): "/cases", str(paths.MODEL): "/model"}
    output = (
        docker.from_env()
        .containers.run(
            image,
            ["-c", code, json.dumps(argument)],
            entrypoint="python",
            volumes={host: {"bind": path, "mode": "ro"} for host, path in mounts.items()},
            environment={"HF_HUB_OFFLINE": "1"},
            network_mode="none",
            remove=True,
            stderr=False,
        )
        .decode()
    )
    lines = [line for line in output.splitlines() if line.startswith(("RECORD ", "NOTES "))]
    return [line.split(" ", 2)[1:] for line in lines]


@pytest.fixture(scope="module")
def notes(images: dict[str, str], place: Path) -> dict[str, list[str]]:
    """What the evaluation's image says of prompts that the training's image rendered."""
    folder = make_workspace(place / "rendered")
    (folder / "train.json").write_text(
        json.dumps(
            {
                "do_train": True,
                "dataset": "mini_home",
                "dataset_dir": "/cases",
                "stage": "sft",
                "max_samples": 20,
                "output_dir": "/tmp/adapter",
                "report_to": "none",
            }
        )
    )
    # Newer libraries give every model of this type the tokenizer of Qwen2.
    shutil.copytree(paths.MODEL, folder / "qwen2")
    config = json.loads((folder / "qwen2" / "config.json").read_text())
    config |= {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (folder / "qwen2" / "config.json").write_text(json.dumps(config))
    for name, record in inside(images["train"], _RENDER, CASES, folder):
        (folder / name).mkdir()
        (folder / name / "rendering.json").write_text(record)
    asked = [(model, name) for model, name, _ in CASES]
    said = inside(images["lm-eval"], _COMPARE, asked, folder)
    return {name: json.loads(text) for name, text in said}


def test_the_demos_training_and_evaluation_render_alike(notes):
    assert notes["own"] == []


@pytest.mark.parametrize("name", ["empty", "system"])
def test_another_template_in_the_training_is_noticed(name, notes):
    (note,) = notes[name]
    assert "the texts differ" in note


def test_another_cut_of_the_same_text_between_the_images_is_noticed(notes):
    (note,) = notes["pieces"]
    assert "the same text is cut into other tokens" in note


def test_the_record_lies_beside_the_adapter(trained):
    assert (trained.adapter / "rendering.json").is_file()


def test_what_was_seen_of_the_data_is_in_the_result(trained):
    learned = trained.result.learned
    assert learned.counts.sampled == 512
    assert learned.counts.masked == learned.counts.dropped == 0
    assert all(text.startswith("{") for text in learned.learned)


def test_the_memory_that_was_taken_is_near_what_was_expected(trained):
    assert 0.5 < trained.result.peak_memory_bytes / trained.expected.total < 2


def test_a_cut_that_leaves_nothing_to_learn_is_refused_before_the_model_loads(images, place):
    workspace = make_workspace(place / "cut", cutoff_len=8)
    with pytest.raises(JobFailed, match="cutoff_len 8 is short") as caught:
        run(TrainingRequest(workspace, base_model=str(paths.MODEL)), DockerBackend())
    assert (caught.value.reason, caught.value.exit_code) == ("refused", 2)
    assert not (workspace / "output").exists()


def test_a_training_goes_on_from_its_checkpoint(images, place):
    workspace = make_workspace(place / "resumed", max_steps=4, save_strategy="steps", save_steps=2)
    request = TrainingRequest(workspace, base_model=str(paths.MODEL))
    first = run(request, DockerBackend())
    shutil.rmtree(first.folder / "attempts" / "001" / "out" / "adapter" / "checkpoint-4")
    (first.folder / "status.json").unlink()
    again = run(
        TrainingRequest(workspace, base_model=str(paths.MODEL), existing="resume"),
        DockerBackend(),
    )
    assert again.run_id == first.run_id
    assert again.result.steps == 4
    assert [point.step for point in again.result.loss_history] == [4]
