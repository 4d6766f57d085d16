"""The versions of the libraries that answer and score, for the record."""

from __future__ import annotations

from importlib import metadata

PACKAGES = ("lm_eval", "torch", "transformers", "peft", "vllm", "datasets", "tokenizers")


def versions() -> dict[str, str | None]:
    """Return the versions of the libraries that answer and score."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
