"""Let lm_eval compile each of a task's templates once, not once for every document.

Its templates come from the task's file and are rendered for each document, three times in
planning and as often in scoring; compiling them took most of that time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

#: A template can be made up of a document's own text: not all of those are kept.
_KEPT = 512


def compile_once() -> None:
    """Put a memory before lm_eval's compiler; calling it again changes nothing."""
    from lm_eval import utils

    environment: Any = utils.env
    if not hasattr(environment.from_string, "cache_info"):
        environment.from_string = lru_cache(maxsize=_KEPT)(environment.from_string)
