"""HomeBench as tasks that an evaluation can be asked for by name.

``asking`` decides on records and prompts; here they become a ``SuiteTask``.  Asked for
by name alone, a task takes its data from ``HOMEBENCH_DATA``, else from ``dataset/``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rdagent.core.settings import PathSettings, load
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.suite_tasks import SuiteTask, with_task
from rdagent.suites.homebench.asking import Asked, Asking, lines, select
from rdagent.suites.homebench.data.files import DEFAULT_FOLDER
from rdagent.suites.homebench.prompts import Mode
from rdagent.suites.homebench.retrieval.measures import Choice, choose
from rdagent.suites.homebench.retrieval.retrievers import make_retriever

TASKS: Mapping[str, Mode] = {
    "homebench_zero_shot": "zero-shot",
    "homebench_few_shot": "few-shot",
    "homebench_rag": "rag",
}
PRIMARY = "em"
_FILES = Path(__file__).parent / "tasks"


def task_name(mode: Mode) -> str:
    """Return the task of a mode."""
    return next(name for name, its in TASKS.items() if its == mode)


def data_folder() -> Path:
    """Return where the data lie when nobody says."""
    return load(PathSettings).homebench_data or DEFAULT_FOLDER


def build(name: str) -> SuiteTask:
    """Return the task of a name with the usual settings; called when an evaluation asks for it."""
    asking = Asking(mode=TASKS[name], data=data_folder())
    asked = select(asking)
    return task_of(*retrieved(asked, asking))


def retrieved(asked: Asked, asking: Asking) -> tuple[Asked, Asking]:
    """Return the same with the rooms that a retriever without a model chooses."""
    if asking.mode != "rag" or asking.rooms:
        return asked, asking
    choices = choose_rooms(asked, asking)
    return asked, replace(asking, rooms={choice.id: choice.rooms for choice in choices})


def choose_rooms(asked: Asked, asking: Asking) -> list[Choice]:
    """Return which rooms are shown for each record, and what that is worth."""
    retriever = make_retriever(asking.retriever, asking.seed)
    return choose(asked.records, asked.homes, retriever, asking.top_k, asking.style)


def task_of(asked: Asked, asking: Asking) -> SuiteTask:
    """Return the task that asks these records; its data lie in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="homebench-"))
    records = folder / "records.jsonl"
    with records.open("w", encoding="utf-8") as sink:
        sink.writelines(lines(asked, asking))
    return SuiteTask(
        name=task_name(asking.mode),
        include_dir=_FILES,
        data={"records": records},
        metadata={
            "mode": asking.mode,
            "shots": len(asked.shots),
            "shown": [shot.record.id for shot in asked.shots],
            "retriever": asking.retriever if asking.mode == "rag" else None,
            "top_k": asking.top_k if asking.mode == "rag" else None,
            "split": asking.split,
            "style": asking.style,
            "seed": asking.seed,
            "limit": asking.limit,
            "stratified": asking.stratified,
        },
        primary=PRIMARY,
        report_sections=("category",),
    )


def with_homebench(request: EvaluationRequest, asked: Asked, asking: Asking) -> EvaluationRequest:
    """Return a request that asks these records."""
    task = task_of(*retrieved(asked, asking))
    return with_task(replace(request, tasks=(task.name,)), task)
