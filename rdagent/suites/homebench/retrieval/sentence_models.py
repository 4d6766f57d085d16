"""What the folder of a sentence-transformers model says of how texts become vectors.

Their library is not in the evaluation image: a model that is a transformer, a pooling and
perhaps a normalisation is computed there without it, any other is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError, ResultError
from rdagent.files import untrusted
from rdagent.files.paths import contained
from rdagent.files.printable import one_line
from rdagent.records.embeddings import Pooling

MODULES_FILE = "modules.json"
_LENGTH_FILE, _PROMPTS_FILE = "sentence_bert_config.json", "config_sentence_transformers.json"
_KNOWN = ("Transformer", "Pooling", "Normalize")
#: What a pooling's configuration calls each way, in its older form and in its newer one.
_POOLINGS: Mapping[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
}
#: Names that models have for the text before a question, and before what is found.
_OF_QUERIES, _OF_PASSAGES = ("query",), ("passage", "document")


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """How a model's texts are embedded; a folder that says nothing is a plain transformer."""

    pooling: Pooling = "mean"
    max_tokens: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""


def read_sentence_model(folder: Path) -> SentenceModel:
    """Read what a folder says; raises RefusedError for a model that is more than we compute."""
    prompts = _object(folder, _PROMPTS_FILE).get("prompts")
    told = prompts if isinstance(prompts, dict) else {}
    length = _object(folder, _LENGTH_FILE).get("max_seq_length")
    return SentenceModel(
        pooling=_pooling(folder),
        max_tokens=length if type(length) is int and length > 0 else None,
        query_prefix=_first(told, _OF_QUERIES),
        passage_prefix=_first(told, _OF_PASSAGES),
    )


def _pooling(folder: Path) -> Pooling:
    place = "1_Pooling"
    if (folder / MODULES_FILE).is_file():
        modules = _json(folder, MODULES_FILE)
        rows = modules if isinstance(modules, list) else []
        kinds = {str(row.get("type")).rpartition(".")[2]: row for row in rows if _is_row(row)}
        strange = [kind for kind in kinds if kind not in _KNOWN]
        if strange or "Pooling" not in kinds or len(kinds) < len(rows):
            raise RefusedError(
                f"the model in {folder} has parts that need sentence-transformers:"
                f" {one_line(', '.join(strange)) or MODULES_FILE}",
                hint="Take one that is a transformer and a pooling, or serve it: --endpoint.",
            )
        place = str(kinds["Pooling"].get("path", place))
    if not (contained(folder, place) / "config.json").is_file():
        return "mean"
    return _read_pooling(folder, f"{place}/config.json")


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("type"), str)


def _read_pooling(folder: Path, name: str) -> Pooling:
    told = _object(folder, name)
    chosen = [key for key, value in told.items() if key.startswith("pooling_mode_") and value]
    mode = told.get("pooling_mode")
    if not chosen:
        chosen = [mode] if isinstance(mode, str) else list(mode) if isinstance(mode, list) else []
    if len(chosen) != 1 or chosen[0] not in _POOLINGS or told.get("include_prompt") is False:
        raise RefusedError(
            f"the pooling in {folder / name} is none of mean, cls and last token, of all tokens",
            hint="Take another model, or serve it: --endpoint.",
        )
    return _POOLINGS[chosen[0]]


def _first(prompts: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (prompts.get(name) for name in names)
    return next((text for text in found if isinstance(text, str)), "")


def _object(folder: Path, name: str) -> Mapping[str, Any]:
    """Return a JSON object of the model's; one that is absent is empty."""
    if not (folder / name).is_file():
        return {}
    document = _json(folder, name)
    if not isinstance(document, dict):
        raise RefusedError(f"{folder / name} is no JSON object")
    return document


def _json(folder: Path, name: str) -> Any:
    try:
        # In the hub's cache a file is a link into its own blobs.
        return untrusted.parse_json((folder / name).read_bytes(), name)
    except (ResultError, OSError) as error:
        raise RefusedError(f"the model in {folder} is damaged: {error}") from error
