"""``rendering.json``: how a training turned messages into tokens, kept beside its adapter.

Training and evaluation run in images with different versions of the libraries, which
can cut the same text of the same tokenizer's file into other tokens.  So token ids are
compared, not texts.  Written by ``inside/train``, compared by ``inside/evaluate``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rdagent.files.printable import one_line
from rdagent.records.fields import Fields

RENDERING_FILE = "rendering.json"
RENDERING_SCHEMA = "rdagent.rendering/1"
#: Tokens before and after the first difference that are shown.
_BEFORE, _AFTER = 4, 8
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Rendered:
    """One prompt: the messages, the ids that they became, and each token's text."""

    kind: str
    messages: tuple[dict[str, str], ...]
    ids: tuple[int, ...]
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a training rendered, and with what."""

    template: str | None
    transformers: str
    prompts: tuple[Rendered, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": RENDERING_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> Rendering:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, RENDERING_FILE, RENDERING_SCHEMA)
        return cls(
            template=fields.text_or_none("template"),
            transformers=fields.text("transformers"),
            prompts=tuple(_rendered(item) for item in fields.items("prompts")),
        )


def _rendered(document: Any) -> Rendered:
    fields = Fields(document, f"{RENDERING_FILE}: prompt")
    messages = [Fields(item, f"{RENDERING_FILE}: message") for item in fields.items("messages")]
    ids = fields.items("ids")
    return Rendered(
        kind=fields.text("kind"),
        messages=tuple(
            {"role": each.text("role"), "content": each.text("content")} for each in messages
        ),
        ids=tuple(number for number in ids if isinstance(number, int)),
        tokens=fields.texts("tokens"),
    )


@dataclass(frozen=True, slots=True)
class Side:
    """One prompt as one of the two rendered it."""

    ids: tuple[int, ...]
    tokens: tuple[str, ...]


def difference(trained: Side, evaluated: Side) -> str | None:
    """Return where two renderings part, printable; None when the ids are the same."""
    if trained.ids == evaluated.ids:
        return None
    pairs = zip(trained.ids, evaluated.ids, strict=False)
    shorter = min(len(trained.ids), len(evaluated.ids))
    place = next((n for n, (one, other) in enumerate(pairs) if one != other), shorter)
    what = (
        "the same text is cut into other tokens"
        if "".join(trained.tokens) == "".join(evaluated.tokens)
        else "the texts differ"
    )
    return (
        f"{what} from token {place}: training has {_around(trained, place)},"
        f" evaluation has {_around(evaluated, place)}"
    )


def _around(side: Side, place: int) -> str:
    parts = side.tokens[max(0, place - _BEFORE) : place + _AFTER]
    return one_line("|".join(part.replace("\n", "\\n") for part in parts), _SHOWN) or "its end"
