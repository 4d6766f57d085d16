"""An instruction taken apart into what it asks for one after the other.

Rooms are retrieved clause by clause: ten requests in one sentence can need ten rooms.
"""

from __future__ import annotations

import re

#: "and" before an article or a pronoun joins things that one verb is said of.
_AND = r"\s+and\s+(?:then\s+|also\s+)?(?!(?:the|a|an|its?|all|both)\b)"
_ENGLISH = re.compile(
    rf"\s*[;.!?](?:\s+|$)|\s*,\s*(?:and\s+)?(?:then\s+)?|{_AND}|\s+then\s+", re.IGNORECASE
)
_CHINESE = re.compile(
    r"\s*[，；。！？、;]\s*(?:并且|然后|接着|同时|再|并)?|并且|然后|接着|同时|以及"  # noqa: RUF001
)


def split_clauses(text: str) -> tuple[str, ...]:
    """Return the clauses of an instruction in their order, in English or Chinese or both."""
    parts = (part for piece in _CHINESE.split(text) for part in _ENGLISH.split(piece))
    return tuple(clause for part in parts if (clause := part.strip(" .\t\r\n"))) or (text.strip(),)
