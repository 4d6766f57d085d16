"""``FT_RD_SETTING``: the fine-tuning settings under RD-Agent's name, read anew at each use."""

from __future__ import annotations

from typing import Any


class _LazySettings:
    """Stands for the settings of the moment: importing it reads nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from rdagent.core.settings import finetune_settings

        return getattr(finetune_settings(), name)

    def __repr__(self) -> str:
        return "FT_RD_SETTING"


FT_RD_SETTING = _LazySettings()
