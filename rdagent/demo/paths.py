"""Where the embedded default lies: the tiny base model, its digest, the task's folder."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
#: How the model is called in the demo's ``train.yaml`` and on the command line.
MODEL_NAME = "tiny-home-1M"
MODEL = HERE / MODEL_NAME
TASK_FOLDER = HERE / "task"
TRAIN_CONFIG = HERE / "train.yaml"
DIGEST_FILE = HERE / "model.sha256"


def recorded_digest() -> str:
    """Return the digest that the shipped model must have."""
    return DIGEST_FILE.read_text(encoding="ascii").split()[0]
