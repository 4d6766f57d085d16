"""Whether the tokenizer beside an adapter, its embeddings and the base belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.header import Unreadable, read_small
from rdagent.adapters.names import Contents
from rdagent.adapters.problems import Problem, problem
from rdagent.errors import ResultError
from rdagent.files import untrusted

_LIMIT = 256 << 20
_TEMPLATE_LIMIT = 4 << 20
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "added_tokens.json")
_VOCABULARY_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "vocab.txt")
_EMBEDDINGS = (
    "embed_tokens.weight",
    "lm_head.weight",
    "wte.weight",
    "embed_in.weight",
    "embed_out.weight",
    "word_embeddings.weight",
)


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """What the files of a tokenizer say."""

    tokens: Mapping[str, int]
    config: Mapping[str, Any]
    template: str | None
    is_there: bool

    @property
    def highest(self) -> int:
        """The largest number that a token has; -1 without tokens."""
        return max(self.tokens.values(), default=-1)

    @property
    def end(self) -> str | None:
        """The text of the end token."""
        token = self.config.get("eos_token")
        token = token.get("content") if isinstance(token, dict) else token
        return token if isinstance(token, str) else None


def saved_rows(contents: Contents) -> int | None:
    """Return how many rows the embeddings that an adapter brings have."""
    for name, tensor in contents.saved.items():
        if name.endswith(_EMBEDDINGS) and len(tensor.shape) == 2:
            return tensor.shape[0]
    return None


def check_vocabulary(
    folder: Path, contents: Contents, configuration: LoraConfiguration, base: BaseFiles | None
) -> Iterator[Problem]:
    """Compare tokens with rows of embeddings, the tokenizer and its template with the base's."""
    documents: dict[str, Any] = {}
    for name in TOKENIZER_FILES:
        try:
            documents[name] = _read(folder / name)
        except (Unreadable, ResultError) as error:
            yield problem("tokenizer_invalid", str(error) or name)
    tokenizer = _tokenizer(folder, documents)
    rows = saved_rows(contents)
    base_rows = base.vocabulary if base is not None else None
    resized = rows is not None and base_rows is not None and rows != base_rows
    if resized:
        yield problem("vocabulary_resized", f"{rows} rows of embeddings, {base_rows} in the base")
        if not tokenizer.is_there:
            yield problem("tokenizer_missing", f"no tokenizer in {folder}")
    available = rows or base_rows
    if available is not None and tokenizer.highest >= available:
        yield problem(
            "tokens_beyond_embeddings",
            f"token {tokenizer.highest} of the tokenizer, {available} rows of embeddings",
        )
    yield from _token_rows(configuration, available)
    yield from _conventions(tokenizer)
    if base is not None and tokenizer.is_there:
        yield from _against_base(tokenizer, read_tokenizer(base.folder), resized=resized)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a folder that is trusted to be whole: a base's."""
    documents = {}
    for name in TOKENIZER_FILES:
        try:
            documents[name] = _read((folder / name).resolve())
        except (Unreadable, ResultError):
            continue
    return _tokenizer(folder, documents)


def _read(path: Path) -> Any:
    if not path.exists() and not path.is_symlink():
        return None
    document = untrusted.parse_json(read_small(path, _LIMIT), path.name)
    if not isinstance(document, dict):
        raise ResultError(f"{path.name} is not a JSON object")
    return document


def _tokenizer(folder: Path, documents: Mapping[str, Any]) -> Tokenizer:
    config = documents.get("tokenizer_config.json") or {}
    return Tokenizer(
        tokens=_tokens(documents, config),
        config=config,
        template=_template(folder, config),
        is_there=any((folder / name).exists() for name in _VOCABULARY_FILES),
    )


def _tokens(documents: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, int]:
    whole = documents.get("tokenizer.json") or {}
    model = whole.get("model")
    found: dict[str, Any] = {}
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        found.update(vocabulary)
    elif isinstance(vocabulary, list):  # a unigram model: pairs of text and score
        found.update({str(n): n for n in range(len(vocabulary))})
    for item in whole.get("added_tokens") or ():
        if isinstance(item, dict):
            found[str(item.get("content"))] = item.get("id")
    found.update(documents.get("added_tokens.json") or {})
    decoder = config.get("added_tokens_decoder")
    for number, item in decoder.items() if isinstance(decoder, dict) else ():
        if isinstance(item, dict) and str(number).isdigit():
            found[str(item.get("content"))] = int(str(number)[:12])
    return {key: n for key, n in found.items() if isinstance(n, int) and not isinstance(n, bool)}


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    try:
        if path.exists():
            return read_small(path.resolve(), _TEMPLATE_LIMIT).decode("utf-8", "replace").strip()
    except Unreadable:
        return None
    template = config.get("chat_template")
    if isinstance(template, list):  # several by name
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
    return template.strip() if isinstance(template, str) else None


def _token_rows(configuration: LoraConfiguration, available: int | None) -> Iterator[Problem]:
    indices = configuration.raw.get("trainable_token_indices")
    lists = indices.values() if isinstance(indices, dict) else [indices or []]
    highest = max((n for numbers in lists for n in numbers), default=-1)
    if available is not None and highest >= available:
        yield problem(
            "tokens_beyond_embeddings",
            f"trainable_token_indices names {highest}, there are {available} rows",
        )


def _conventions(tokenizer: Tokenizer) -> Iterator[Problem]:
    if isinstance(tokenizer.config.get("extra_special_tokens"), list):
        yield problem("tokenizer_list", "extra_special_tokens of tokenizer_config.json is a list")
    if not tokenizer.is_there:
        return
    if tokenizer.template is None:
        yield problem("chat_template_missing", "no chat_template in the tokenizer's files")
    elif tokenizer.end and not _mentions_end(tokenizer.template, tokenizer.end):
        yield problem("stop_token_missing", f"eos_token is {tokenizer.end}")


def _mentions_end(template: str, end: str) -> bool:
    return end in template or "eos_token" in template


def _against_base(tokenizer: Tokenizer, base: Tokenizer, *, resized: bool) -> Iterator[Problem]:
    if tokenizer.tokens and base.tokens and tokenizer.tokens != base.tokens and not resized:
        new = len(tokenizer.tokens.keys() - base.tokens.keys())
        yield problem("tokenizer_differs", f"{new} tokens that the base's has not")
    if tokenizer.template and base.template and tokenizer.template != base.template:
        yield problem("chat_template_differs", "prompts are rendered with the base's")
