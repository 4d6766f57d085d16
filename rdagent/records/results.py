"""Names of result files that host and images agree on."""

from __future__ import annotations

import re


def samples_name(task: str) -> str:
    """Return the name of a task's samples file."""
    return f"samples_{re.sub(r'[^A-Za-z0-9_.:+-]', '_', task)}.jsonl"
