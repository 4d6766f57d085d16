"""The program's log; loguru is loaded with the first line that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loguru import Logger


def log() -> Logger:
    """Return the logger."""
    from loguru import logger

    return logger
