"""The demo's workspace: its files, and an adapter trained when there is none yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from rdagent.core.settings import finetune_settings
from rdagent.demo import mini_home, paths
from rdagent.jobs.backends.choose import choose_backend
from rdagent.training.run import TrainingRequest, accelerator, run


def new_demo_workspace(folder: Path | None = None) -> Path:
    """Make the demo's workspace anew: LLaMA-Factory's own files, no adapter."""
    workspace = (folder or finetune_settings().file_path / "demo").absolute()
    if workspace.exists():
        shutil.rmtree(workspace)
    workspace.mkdir(parents=True)
    shutil.copy(paths.TRAIN_CONFIG, workspace / "train.yaml")
    mini_home.write_training_data(workspace)
    return workspace


def demo_training(workspace: Path) -> TrainingRequest:
    """Return the demo's training."""
    return TrainingRequest(workspace, base_model=str(paths.MODEL), fresh=True)


def ready_demo_workspace() -> Path:
    """Return a workspace with the demo's adapter, trained now if it is not there."""
    workspace = (finetune_settings().file_path / "demo").absolute()
    if not (workspace / "output" / "adapter_config.json").exists():
        print("No adapter yet: training the demo's first.")
        backend = choose_backend()
        backend.ensure("train", accelerator(), progress=lambda line: None)
        run(demo_training(new_demo_workspace()), backend)
    return workspace
