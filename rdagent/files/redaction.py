"""Keep secrets out of what is written and shown.

Two nets: variables are masked by their names, and everything else by the values that
those variables hold, also where they come percent-encoded or in base64.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:token|secret|password|passwd|pat|key|credentials?)(?:$|_)|api_?key"
    r"|(?:token|secret|password|passwd|passphrase|key|credentials?)$"
)
#: Shapes that are secrets whatever they are called; the user part of an address as well.
_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
)
#: A shorter value would be found in ordinary text.
SHORTEST = 6
#: Variables of the host are many, and most were not set with us in mind.
_SHORTEST_OF_HOST = 12
_ORDINARY = re.compile(r"(?i)true|false|none|null|disabled|enabled|default|\d{1,7}")


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name is treated as a secret."""
    return bool(_SECRET_NAME.search(name))


def redact_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the values of secret ones masked."""
    return {
        name: MASK if value and is_secret_name(name) else _SHAPES.sub(MASK, value)
        for name, value in environment.items()
    }


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secret variables whose values are worth hiding wherever they turn up."""
    return {
        name: value
        for name, value in environment.items()
        if is_secret_name(name) and len(value) >= SHORTEST and not _ORDINARY.fullmatch(value)
    }


def known_secrets() -> tuple[str, ...]:
    """Return the secret values of this process's environment that are no ordinary words."""
    return tuple(v for v in secrets_of(os.environ).values() if len(v) >= _SHORTEST_OF_HOST)


def redact_text(text: str, secrets: Iterable[str] | None = None) -> str:
    """Return ``text`` without the secrets given (else: those of this process) and their like."""
    pattern = _pattern(known_secrets() if secrets is None else secrets)
    clean = text
    if pattern:
        raw = text.encode("utf-8", "surrogatepass")
        clean = pattern.sub(MASK.encode(), raw).decode("utf-8", "surrogatepass")
    return _SHAPES.sub(MASK, clean)


def _pattern(secrets: Iterable[str]) -> re.Pattern[bytes] | None:
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    return re.compile(b"|".join(re.escape(form) for form in forms)) if forms else None


def _forms(secret: str) -> set[bytes]:
    raw = secret.encode("utf-8", "surrogateescape")
    percent = (quote(secret), quote(secret, safe=""), quote_plus(secret))
    forms = {raw, *(form.encode() for form in percent)}
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        # What stands before it shifts it by a byte or two; the edges depend on the neighbours.
        for shift in range(3):
            encoded = alphabet(b"\0" * shift + raw).rstrip(b"=")
            forms.add(encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
    return {form for form in forms if len(form) >= SHORTEST}


class Redactor:
    """Masks secrets in a stream of bytes, also where a chunk ends in the middle of one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = {form for secret in secrets for form in _forms(secret)}
        ordered = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None
        self._longest = max(map(len, self._forms), default=0)
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and return those that are certain by now."""
        if self._pattern is None:
            return chunk
        clean = self._pattern.sub(MASK.encode(), self._held + chunk)
        cut = self._certain(clean)
        self._held = clean[cut:]
        return clean[:cut]

    def _certain(self, clean: bytes) -> int:
        """Return where the end of ``clean`` could begin a secret."""
        for start in range(max(0, len(clean) - self._longest + 1), len(clean)):
            end = clean[start:]
            if any(form.startswith(end) for form in self._forms):
                return start
        return len(clean)

    def flush(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, b""
        return held
