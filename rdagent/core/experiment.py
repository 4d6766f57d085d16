"""What is worked on: a task, a folder with its files, and an experiment that holds both."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.files import atomic
from rdagent.files.paths import contained

#: Given as a file's content, this deletes the file.
DELETE = "__DEL__"


@dataclass(slots=True)
class Task:
    """Something to be done, known by its name."""

    name: str
    version: int = 1
    description: str = ""
    user_instructions: str | None = None
    base_model: str | None = None

    def get_task_information(self) -> str:
        """Return the text that tells this task from others."""
        return f"{self.name}: {self.description}" if self.description else self.name


@dataclass(slots=True)
class RunningInfo:
    """What came of running a workspace; ``result`` is the score of each task."""

    result: dict[str, Any] | None = None
    running_time: float | None = None


class FBWorkspace:
    """A folder with the files of one try.

    ``FBWorkspace(path)`` is that folder; ``FBWorkspace(target_task=...)`` gets a new
    one under ``root`` when it is first needed.  Making the object touches no disk.
    """

    def __init__(
        self,
        target_task: Task | str | Path | None = None,
        *,
        path: str | Path | None = None,
        root: str | Path | None = None,
    ) -> None:
        if isinstance(target_task, str | Path):
            target_task, path = None, target_task
        self.target_task: Task | None = target_task
        self.file_dict: dict[str, str] = {}
        self.running_info = RunningInfo()
        self.feedback: object | None = None
        self._path = Path(path) if path is not None else None
        self._root = Path(root) if root is not None else None

    @property
    def workspace_path(self) -> Path:
        """The folder, absolute; it may not exist yet."""
        if self._path is None:
            root = self._root or _default_root()
            self._path = root / uuid.uuid4().hex
        return self._path.absolute()

    def prepare(self) -> None:
        """Make the folder."""
        self.workspace_path.mkdir(parents=True, exist_ok=True)

    def inject_files(self, **files: str) -> None:
        """Write text files, by relative name, and remember them; DELETE removes one.

        A name that leaves the folder is refused, and then nothing is written.
        """
        self.prepare()
        places = {name: contained(self.workspace_path, name) for name in files}
        for name, text in files.items():
            if text == DELETE:
                places[name].unlink(missing_ok=True)
                self.file_dict.pop(name, None)
            else:
                atomic.write_text(places[name], text)
                self.file_dict[name] = text

    def __repr__(self) -> str:
        return f"FBWorkspace({str(self.workspace_path)!r})"


def _default_root() -> Path:
    from rdagent.core.settings import finetune_settings

    return finetune_settings().file_path / "workspaces"


@dataclass(slots=True)
class Experiment:
    """Tasks, the workspace in which they are tried, and what came of it."""

    sub_tasks: list[Task]
    experiment_workspace: FBWorkspace | None = None
    based_experiments: list[Experiment] = field(default_factory=list)
    hypothesis: object | None = None
    #: Feedback of the step that ran last; None before.
    prop_dev_feedback: object | None = None
    result: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.experiment_workspace is None:
            task = self.sub_tasks[0] if self.sub_tasks else None
            self.experiment_workspace = FBWorkspace(target_task=task)

    @property
    def workspace(self) -> FBWorkspace:
        """The workspace; an experiment always has one."""
        if self.experiment_workspace is None:
            raise ValueError("experiment_workspace was set to None")
        return self.experiment_workspace
