"""The same answer read forgivingly: the second column, never the headline.

Shows how much of a low score is form.  Every rule looks at the answer alone; nothing is
worked out, nothing is looked up in the home, and the gold is never consulted.
"""

from __future__ import annotations

import re

from rdagent.suites.homebench.scoring.operations import (
    ERROR_INPUT,
    Reading,
    brace_groups,
    split,
    without_thinking,
)

#: The prompt's last line; a model that repeats the prompt answers after it.
ANSWER_MARK = "<Machine instructions:>"
_FENCE = "```"
_MARKS = re.compile(r"[,;\n()\[\]'\"]")
_NAMED = re.compile(r"[^\W\d]\w*=")
_QUOTES = "'\""


def read_lenient(prediction: str | None) -> Reading:
    """Read the operations of an answer, in braces or not, tidied."""
    answer = without_thinking(prediction)
    payloads = brace_groups(answer)
    if not payloads:
        payloads = _without_braces(answer)
    items = (tidied(item) for payload in payloads for item in split(payload, _MARKS))
    return Reading(tuple(item for item in items if item), parsed=bool(payloads))


def _without_braces(answer: str) -> list[str]:
    """Return what follows the prompt's last line, or stands in the last code fence."""
    _, marked, after = answer.rpartition(ANSWER_MARK)
    text = after if marked else answer
    before, opened, last = text.rpartition(_FENCE)
    if not opened:
        return [after] if marked else []
    # An even number of fences before the last one: it opens a block that never ends.
    if before.count(_FENCE) % 2 == 0:
        return [_without_language(last)]
    return [_without_language(before.rpartition(_FENCE)[2])]


def _without_language(block: str) -> str:
    """Drop what stands on the fence's own line, such as ``python``."""
    first, newline, rest = block.partition("\n")
    return rest if newline and first.strip().isalnum() else block


def tidied(operation: str) -> str:
    """Drop backticks, quotes around arguments and ``error_input``, and the arguments' names."""
    plain = operation.replace("`", "")
    if _unquoted(plain) == ERROR_INPUT:
        return ERROR_INPUT
    name, opened, rest = plain.partition("(")
    if not (opened and rest.endswith(")")):
        return plain
    arguments = (_plain_argument(each) for each in split(rest[:-1]))
    return f"{name}({','.join(arguments)})"


def _plain_argument(argument: str) -> str:
    named = _NAMED.match(argument)
    return _unquoted(argument[named.end() :] if named else argument)


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in _QUOTES:
        return text[1:-1]
    return text
