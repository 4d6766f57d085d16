"""How long each step of an evaluation takes; ``group`` and ``scoring`` write it down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Clock:
    """How long each step took, on the monotonic clock."""

    _last: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, step: str) -> None:
        """Book the time since the last lap under a name."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now
