"""List lm_eval's own tasks and groups that are refused for what their scoring does, and why.

``python -m rdagent.inside.evaluate.list_refused``, run by hand in the evaluation image
when lm_eval's version changes: what is new in the list is to be looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rdagent.inside.evaluate import scoring_calls


def main() -> int:
    """Print one line for each refused task: its name, a tab, the reason."""
    from lm_eval.tasks import TaskManager

    for line in lines(TaskManager().task_index):
        sys.stdout.write(f"{line}\n")
    return 0


def lines(index: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines, sorted."""
    for name, entry in sorted(index.items()):
        why = scoring_calls.reason(entry.cfg or {})
        if why:
            yield f"{name}\t{why}"


if __name__ == "__main__":
    sys.exit(main())
