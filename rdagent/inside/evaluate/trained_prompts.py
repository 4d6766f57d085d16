"""Render the prompts that a training kept as this image renders them, and compare.

Used by ``group`` with the engine's own tokenizer and template.  A difference is a
note: the numbers stand, and a reader should know what they may come from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.inside.evaluate.renderer import MessageRenderer, Renderer
from rdagent.records.rendering import RENDERING_FILE, Rendered, Rendering, Side, difference


def rendering_notes(
    adapter: str | None, model: Renderer | MessageRenderer, *, chat: bool
) -> list[str]:
    """Return where prompts are rendered otherwise than in the training.

    An adapter without a record says nothing.
    """
    kept = _read(adapter)
    if kept is None or isinstance(model, MessageRenderer):
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


def _compare(prompt: Rendered, model: Renderer) -> str | None:
    try:
        text = model.apply_chat_template([dict(message) for message in prompt.messages])
        ids = tuple(int(number) for number in model.tok_encode(text))
    except Exception as error:
        # A template can refuse a role, and says so in words of its own.
        return f"the evaluation's template refuses it ({type(error).__name__})"
    tokens = tuple(str(model.tokenizer.decode([number])) for number in ids)
    return difference(Side(prompt.ids, prompt.tokens), Side(ids, tokens))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare an adapter's record with a base model: MODEL ADAPTER OUTPUT."""
    model, adapter, output = sys.argv[1:] if arguments is None else arguments
    renderer = Renderer.load(Path(model), "hf", max_length=0, thinking=None)
    notes = rendering_notes(adapter, renderer, chat=renderer.template is not None)
    document = {"schema": "rdagent.rendering-notes/1", "notes": notes}
    Path(output).write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
