"""Short names and the files that go with them: one place says where results and adapters lie.

``--model_name qwen`` is looked up in ``models.json``; anything else is a folder or a model's
own name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from rdagent.demo import paths
from rdagent.suites.homebench.prompts import Mode

OUTPUT_FOLDER, ADAPTERS_FOLDER = Path("output"), Path("model_output")


@cache
def known_models() -> dict[str, str]:
    """Return the short names and what they stand for."""
    text = resources.files("rdagent.suites.homebench").joinpath("models.json").read_text("utf-8")
    document: dict[str, str] = json.loads(text)
    return document


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as the caller named it."""

    #: Stands in the names of files.
    short: str
    #: A folder, or a name to be resolved.
    model: str

    @property
    def adapter(self) -> Path:
        """Where its tuned adapter lies when no other is given."""
        return ADAPTERS_FOLDER / self.short

    def result_file(self, mode: Mode, *, tuned: bool, folder: Path = OUTPUT_FOLDER) -> Path:
        """Return where answers go: ``<model>_[sft_]<mode>_test_result.json``."""
        stage = "sft_" if tuned else ""
        return folder / f"{self.short}_{stage}{mode.replace('-', '_')}_test_result.json"


def model_name(word: str) -> ModelName:
    """Return the model of a short name, of a folder or of a name of the hub's."""
    known = known_models().get(word)
    if known == paths.MODEL_NAME:
        return ModelName(word, str(paths.MODEL))
    if known is not None:
        return ModelName(word, known)
    last = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(word).name) or "model"
    return ModelName(last, word)
