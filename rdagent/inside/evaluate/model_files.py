"""What a model's and an adapter's files say, read without any library.

Used by ``group``: the context length, and notes on what a reader of the numbers
should know about tokenizers, templates and generation defaults.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import JobFailed

DEFAULT_LENGTH = 4096
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_HEADER_LIMIT = 100 << 20
_TABLES = (
    "embed_tokens.weight",
    "lm_head.weight",
    "embed_in.weight",
    "embed_out.weight",
    "wte.weight",
    "word_embeddings.weight",
)
_LENGTH_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length")
#: Engine hf obeys these in a greedy answer, engine vllm takes only what a task says.
_GREEDY_CHANGERS = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_new_tokens": 0}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What was read from the base model's folder."""

    folder: Path
    config: dict[str, Any]
    max_model_len: int
    notes: tuple[str, ...]


def read(folder: Path, wanted_length: int | None) -> ModelFiles:
    """Read a model folder; raises JobFailed when it is none."""
    config = load_json(folder / "config.json")
    if not config:
        raise JobFailed(
            f"no model at {folder}: config.json is missing or unreadable",
            reason="command_failed",
            exit_code=6,
        )
    notes = list(_generation_notes(folder))
    length = _length(context_of(config), wanted_length, notes)
    return ModelFiles(folder, config, length, tuple(notes))


def load_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file, empty when there is none."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def context_of(config: dict[str, Any]) -> int | None:
    """Return the number of positions that a model was built for, if its config says."""
    for part in (config.get("text_config"), config):
        for key in _LENGTH_KEYS:
            value = part.get(key) if isinstance(part, dict) else None
            if isinstance(value, int) and value > 0:
                return value
    return None


def _length(context: int | None, wanted: int | None, notes: list[str]) -> int:
    if wanted is None:
        return min(context or DEFAULT_LENGTH, DEFAULT_LENGTH)
    if context is not None and wanted > context:
        notes.append(f"max_model_len {wanted} is over the model's {context} positions: {context}")
        return context
    return wanted


def _generation_notes(folder: Path) -> list[str]:
    config = load_json(folder / "generation_config.json")
    return [
        f"generation_config.json sets {key}={config[key]}: engine hf applies it to every answer,"
        " engine vllm does not"
        for key, neutral in _GREEDY_CHANGERS.items()
        if config.get(key) not in (None, neutral)
    ]


def chat_template(folder: Path) -> str | None:
    """Return the chat template that a folder's tokenizer files hold."""
    try:
        return (folder / "chat_template.jinja").read_text("utf-8").strip()
    except OSError:
        template = load_json(folder / "tokenizer_config.json").get("chat_template")
        return template.strip() if isinstance(template, str) else None


def embedding_rows(files: Iterable[Path]) -> int | None:
    """Return how many rows the embeddings in these safetensors files have, if they hold any."""
    for path in files:
        for name, tensor in read_header(path).items():
            shape = tensor.get("shape") if isinstance(tensor, dict) else None
            is_table = name.endswith(_TABLES) and "original_module" not in name
            if is_table and isinstance(shape, list) and len(shape) == 2:
                return int(shape[0])
    return None


def read_header(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file, empty when it cannot be read."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(size, _HEADER_LIMIT)))
    except (OSError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def tokenizer_folder(model: Path, adapter: str | None) -> Path:
    """Return whose tokenizer is used: the adapter's when it brings embeddings of another size."""
    if adapter is None:
        return model
    brought = embedding_rows([Path(adapter) / ADAPTER_WEIGHTS])
    has_tokenizer = (Path(adapter) / "tokenizer_config.json").is_file()
    if brought is None or not has_tokenizer:
        return model
    known = embedding_rows(sorted(model.glob("*.safetensors")))
    return Path(adapter) if brought != known else model


def adapter_notes(base: ModelFiles, adapter: str | None) -> list[str]:
    """Return where an adapter's own tokenizer differs from the base's, which all variants use."""
    if adapter is None:
        return []
    folder = Path(adapter)
    if tokenizer_folder(base.folder, adapter) == folder:
        return ["the adapter resized the vocabulary; its own tokenizer was used"]
    notes = []
    template = chat_template(folder)
    if template is not None and template != chat_template(base.folder):
        notes.append(
            "the adapter's folder has another chat template than the base; the base's was used"
        )
    vocabulary = _vocabulary(folder)
    if vocabulary and vocabulary != _vocabulary(base.folder):
        notes.append(
            "the adapter's folder has another tokenizer than the base; the base's was used"
        )
    return notes


def _vocabulary(folder: Path) -> dict[str, Any]:
    """Return the tokens of a tokenizer, by text."""
    document = load_json(folder / "tokenizer.json")
    model = document.get("model")
    tokens = model.get("vocab") if isinstance(model, dict) else None
    found: dict[str, Any] = dict(tokens) if isinstance(tokens, dict) else {}
    for item in document.get("added_tokens") or []:
        if isinstance(item, dict):
            found[str(item.get("content"))] = item.get("id")
    return found
