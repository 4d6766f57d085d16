"""Put an adapter to its checks together with the models it has to do with.

``adapters`` knows no models and ``models`` no adapters; this module finds for the one
what the other has.  Used by ``preflight`` and by ``rdagent check-adapter``.
"""

from __future__ import annotations

from pathlib import Path

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.check import Report, check_adapter
from rdagent.core.settings import finetune_settings
from rdagent.errors import RefusedError
from rdagent.models.resolve import LocalModel, resolve_model


def check_on_model(path: Path, model: LocalModel | None) -> Report:
    """Check an adapter that is to be put on ``model``; None: on the one that it names.

    A model that the adapter names and that is not here is left out of the comparison.
    """
    first = check_adapter(path, skip_values=True)
    if first.adapter is None:
        return first
    named = _find(first.adapter.base_model)
    base = BaseFiles(model.folder) if model is not None else named
    return check_adapter(path, base=base, named_base=named)


def _find(name: str | None) -> BaseFiles | None:
    if name is None:
        return None
    try:
        return BaseFiles(resolve_model(name, finetune_settings().file_path / "models").folder)
    except (RefusedError, OSError, ValueError):
        return None
