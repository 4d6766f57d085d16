"""Render the prompts that a training kept as this image renders them, and compare.

Used by ``variant`` with the engine's own tokenizer and template.  A difference is a
note: the numbers stand, and a reader should know what they may come from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.records.rendering import RENDERING_FILE, Rendered, Rendering, Side, difference


def rendering_notes(adapter: str | None, model: Any, *, chat: bool) -> list[str]:
    """Return where prompts are rendered otherwise than in the training.

    ``model`` renders as lm_eval's models do.  An adapter without a record says nothing.
    """
    kept = _read(adapter)
    if kept is None:
        return []
    if not chat:
        return ["trained with a chat template, evaluated without one"]
    versions = f"transformers {kept.transformers} and {metadata.version('transformers')}"
    named = f" with template {kept.template}" if kept.template else ""
    for prompt in kept.prompts:
        found = _compare(prompt, model)
        if found is not None:
            return [
                f"training{named} and evaluation render the {prompt.kind} differently"
                f" ({versions}): {found}"
            ]
    return []


def _read(adapter: str | None) -> Rendering | None:
    if adapter is None or not (Path(adapter) / RENDERING_FILE).is_file():
        return None
    try:
        path = Path(adapter) / RENDERING_FILE
        return Rendering.from_json(untrusted.read_json(path, untrusted.MEBIBYTE))
    except ResultError:
        return None


def _compare(prompt: Rendered, model: Any) -> str | None:
    try:
        text = model.apply_chat_template([dict(message) for message in prompt.messages])
        ids = tuple(int(number) for number in model.tok_encode(text))
    except Exception as error:
        # A template can refuse a role, and says so in words of its own.
        return f"the evaluation's template refuses it ({type(error).__name__})"
    tokens = tuple(str(model.tokenizer.decode([number])) for number in ids)
    return difference(Side(prompt.ids, prompt.tokens), Side(ids, tokens))


class TokenizerOnly:
    """A model's tokenizer, that renders as lm_eval's models do, without the model."""

    def __init__(self, folder: str) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def apply_chat_template(self, messages: list[dict[str, str]]) -> str:
        """Return the text of a prompt."""
        return str(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )

    def tok_encode(self, text: str) -> list[int]:
        """Return the ids of a rendered prompt."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an adapter's record with a base model: MODEL ADAPTER OUTPUT."""
    model, adapter, output = sys.argv[1:] if arguments is None else arguments
    rendered = TokenizerOnly(model)
    chat = bool(getattr(rendered.tokenizer, "chat_template", None))
    notes = rendering_notes(adapter, rendered, chat=chat)
    document = {"schema": "rdagent.rendering-notes/1", "notes": notes}
    Path(output).write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
