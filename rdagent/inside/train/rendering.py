"""Keep how a prompt was rendered, for the evaluation to compare; written beside the adapter.

One short sample of the data, and one fixed sentence that shows what a tokenizer does
with digits, marks and other scripts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.files import atomic
from rdagent.records.rendering import RENDERING_FILE, Rendered, Rendering

if TYPE_CHECKING:
    from rdagent.inside.train.preflight import Loaded

PROBE = 'Add 12345 and x_1 = -3.50; don\'t say "no". 打开客厅的灯。'
LONGEST = 2048
_ROLES = ("system", "user", "assistant")


def render(loaded: Loaded, rows: Iterable[Mapping[str, Any]]) -> Rendering:
    """Return how the training renders a sample of the rows, and the fixed sentence."""
    prompts = [_rendered(loaded, "fixed sentence", [{"role": "user", "content": PROBE}], None)]
    for row in rows:
        messages, system = _messages(row)
        if messages is None:
            continue
        rendered = _rendered(loaded, "training sample", messages, system)
        if len(rendered.ids) <= LONGEST:
            prompts.insert(0, rendered)
            break
    return Rendering(loaded.data.template, metadata.version("transformers"), tuple(prompts))


def write(rendering: Rendering, folder: Path) -> None:
    """Write the record into the adapter's folder."""
    atomic.write_json(folder / RENDERING_FILE, rendering.to_json())


def _messages(row: Mapping[str, Any]) -> tuple[list[dict[str, str]] | None, str | None]:
    """Return the messages of a plain conversation; tools and media are rendered otherwise."""
    if row.get("_tools") or any(row.get(f"_{kind}") for kind in ("images", "videos", "audios")):
        return None, None
    messages = [
        {"role": str(each["role"]), "content": str(each["content"])}
        for each in row.get("_prompt") or ()
    ]
    if not messages or any(each["role"] not in _ROLES for each in messages):
        return None, None
    return messages, row.get("_system") or None


def _rendered(
    loaded: Loaded, kind: str, messages: list[dict[str, str]], system: str | None
) -> Rendered:
    answer = {"role": "assistant", "content": "-"}
    ids, _ = loaded.template.encode_oneturn(loaded.tokenizer, [*messages, answer], system, None)
    first = [{"role": "system", "content": system}] if system else []
    return Rendered(
        kind=kind,
        messages=tuple([*first, *messages]),
        ids=tuple(int(number) for number in ids),
        tokens=tuple(str(loaded.tokenizer.decode([number])) for number in ids),
    )
