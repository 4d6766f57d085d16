"""The comparison after a training: what it says when it can, and when it cannot, be made."""

import json

import pytest

from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.models.resolve import LocalModel
from rdagent.training.rendering import NOT_YET, compare_rendering


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "rendering.json").write_text("{}")
    return folder


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return LocalModel("m", folder, folder, {"model_type": "llama"})


class Whatever(dict):
    """One program for every argv."""

    def __init__(self, program):
        self.program = program

    def get(self, argv, default=None):
        return self.program


class Engine(FakeBackend):
    """Whatever is run writes these notes; only images of ``there`` exist."""

    def __init__(self, notes, there=("cpu",)):
        program = Program(does=lambda words, out: self._write(notes, out))
        super().__init__(Whatever(program))
        self.there = there

    @staticmethod
    def _write(notes, out):
        if notes is not None:
            (out / "rendering-notes.json").write_text(notes)

    def image(self, role, accelerator="cpu"):
        name = f"{role}-{accelerator}"
        if accelerator in self.there:
            self.images.add(name)
        return name


def said(*notes):
    return json.dumps({"schema": "rdagent.rendering-notes/1", "notes": list(notes)})


def test_differences_are_told_printable(adapter, model, tmp_path):
    engine = Engine(said("token 3 differs\x1b[31m"))
    assert compare_rendering(engine, model, adapter, tmp_path) == ("token 3 differs",)


def test_without_a_record_nothing_is_run(adapter, model, tmp_path):
    (adapter / "rendering.json").unlink()
    engine = Engine(said("x"))
    assert compare_rendering(engine, model, adapter, tmp_path) == ()
    assert engine.created == []


@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_any_image_of_the_evaluation_will_do(adapter, model, tmp_path, accelerator):
    engine = Engine(said(), there=(accelerator,))
    assert compare_rendering(engine, model, adapter, tmp_path) == ()
    assert [job.spec.image for job in engine.created] == [f"lm-eval-{accelerator}"]


def test_without_an_image_it_is_said_that_nothing_was_compared(adapter, model, tmp_path):
    assert compare_rendering(Engine(said(), there=()), model, adapter, tmp_path) == (NOT_YET,)


@pytest.mark.parametrize("notes", [None, "{", "[]", '{"schema": "other"}'])
def test_a_comparison_that_failed_is_no_agreement(adapter, model, tmp_path, notes):
    (note,) = compare_rendering(Engine(notes), model, adapter, tmp_path)
    assert note.startswith("rendering was not compared")
