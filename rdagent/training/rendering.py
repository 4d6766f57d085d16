"""After a training: does the evaluation's image render prompts as the training did.

A small job without the model: the base's tokenizer and template, and the record that
lies beside the adapter.  An evaluation makes the same comparison by itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rdagent.errors import ImageUnavailable, InfrastructureError, ResultError
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.profiles import Resources, evaluate_limits, offline_environment
from rdagent.jobs.spec import ACCELERATORS, JobSpec, Mount
from rdagent.jobs.supervisor import run_job
from rdagent.models.resolve import LocalModel
from rdagent.records.fields import Fields
from rdagent.records.rendering import RENDERING_FILE

NOTES_FILE = "rendering-notes.json"
NOTES_SCHEMA = "rdagent.rendering-notes/1"
TIMEOUT_SECONDS = 300.0
_SHOWN, _LIMIT = 5, 600
NOT_YET = (
    "what the evaluation makes of the prompts is compared when the adapter is evaluated: "
    "there is no image of lm-eval here yet"
)


def compare_rendering(
    backend: Backend, model: LocalModel, adapter: Path, run: Path
) -> tuple[str, ...]:
    """Return where the two render differently, or why that could not be found out.

    Returns nothing when there is no record.  No image is built for it.
    """
    if not (adapter / RENDERING_FILE).is_file():
        return ()
    try:
        spec = _on_what_is_there(_job(model, adapter), backend)
        if spec is None:
            return (NOT_YET,)
        end = run_job(backend, spec, run / "rendering", run.name)
    except InfrastructureError as error:
        return (f"rendering was not compared: {error.message}",)
    try:
        document = untrusted.read_json(end.out / NOTES_FILE, untrusted.MEBIBYTE)
        notes = Fields(document, NOTES_FILE, NOTES_SCHEMA).texts("notes")
    except ResultError as error:
        return (f"rendering was not compared: {end.outcome.reason}, {error.message}",)
    return tuple(one_line(note, _LIMIT) for note in notes[:_SHOWN])


def _on_what_is_there(spec: JobSpec, backend: Backend) -> JobSpec | None:
    """Return the job on whichever accelerator's libraries are here: it needs no device."""
    for accelerator in ACCELERATORS:
        try:
            named = replace(spec, image=backend.image(spec.role, accelerator))
            backend.check(named)
        except ImageUnavailable:
            continue
        return named
    return None


def _job(model: LocalModel, adapter: Path) -> JobSpec:
    return JobSpec(
        role="lm-eval",
        argv=(
            "python",
            "-m",
            "rdagent.inside.evaluate.trained_prompts",
            model.inside,
            "{mount:adapter}",
            f"{{mount:out}}/{NOTES_FILE}",
        ),
        limits=evaluate_limits(Resources(TIMEOUT_SECONDS)),
        mounts=(model.mount, Mount("adapter", str(adapter), "/workspace/adapters/0")),
        environment=offline_environment(0),
        files={},
        results=(NOTES_FILE,),
        gpus=(),
    )
