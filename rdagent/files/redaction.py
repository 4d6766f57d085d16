"""Keep secrets out of what is written and shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:token|secret|password|passwd|key|credentials?)(?:$|_)|api_?key"
)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name is treated as a secret."""
    return bool(_SECRET_NAME.search(name))


def redact_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the values of secret ones masked."""
    return {
        name: MASK if value and is_secret_name(name) else value
        for name, value in environment.items()
    }
