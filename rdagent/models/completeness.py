"""Whether a model's folder is whole, told without a network and without torch.

Every shard that the index names is there and as long as its header says, configuration and
tokenizer are there and readable.  With ``deep``, every file is the one that the manifest
of the download names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.digests import file_digest
from rdagent.models.headers import Header, read_header
from rdagent.models.manifest import read_manifest

INDEX = "model.safetensors.index.json"
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
    "tekken.json",
)
_AGAIN = "Get the model again: rdagent models download."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; ``code`` is stable, the words are not."""

    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a folder holds."""

    folder: Path
    problems: tuple[Problem, ...]
    bytes: int
    parameters: int
    dtypes: Mapping[str, int]
    model_type: str
    template: bool
    commit: str

    @property
    def ok(self) -> bool:
        """Whether the model can be used."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "folder": str(self.folder),
            "ok": self.ok,
            "problems": [
                {"code": p.code, "severity": "error", "message": p.message, "fix": p.fix}
                for p in self.problems
            ],
            "bytes": self.bytes,
            "parameters": self.parameters,
            "dtypes": dict(self.dtypes),
            "model_type": self.model_type or None,
            "chat_template": self.template,
            "commit": self.commit or None,
        }


def inspect_model(folder: Path, *, deep: bool = False) -> ModelReport:
    """Look at a folder; nothing that is in it raises."""
    problems: list[Problem] = []
    config = _config(folder, problems)
    headers = _weights(folder, problems)
    tokenizer = _tokenizer(folder, problems)
    manifest = read_manifest(folder)
    if deep:
        problems += _against_manifest(folder, manifest.files if manifest else None)
    dtypes = Counter[str]()
    for header in headers.values():
        dtypes.update(header.parameters)
    return ModelReport(
        folder=folder,
        problems=tuple(problems),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        parameters=sum(dtypes.values()),
        dtypes=dict(dtypes.most_common()),
        model_type=str(config.get("model_type") or ""),
        template=bool(tokenizer.get("chat_template"))
        or any(folder.glob("chat_template*"))
        or any(folder.glob("additional_chat_templates/*.jinja")),
        commit=manifest.commit if manifest else _cached_commit(folder),
    )


def weight_problems(folder: Path) -> tuple[Problem, ...]:
    """Return what is wrong with a folder's weights alone."""
    problems: list[Problem] = []
    _weights(folder, problems)
    return tuple(problems)


def _config(folder: Path, problems: list[Problem]) -> Mapping[str, Any]:
    config = _json(folder, "config.json", problems)
    if config is None:
        problems.append(Problem("config_missing", "there is no config.json", _AGAIN))
    elif not isinstance(config.get("model_type"), str):
        problems.append(Problem("config_invalid", "config.json names no model_type", _AGAIN))
    return config or {}


def _tokenizer(folder: Path, problems: list[Problem]) -> Mapping[str, Any]:
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        told = f"there is no tokenizer: none of {', '.join(_TOKENIZERS[:4])}"
        problems.append(Problem("tokenizer_missing", told, _AGAIN))
    _json(folder, "tokenizer.json", problems)
    return _json(folder, "tokenizer_config.json", problems) or {}


def _json(folder: Path, name: str, problems: list[Problem]) -> Mapping[str, Any] | None:
    """Read one JSON object; one that is damaged is a problem, one that is absent is none."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        document = untrusted.parse_json(path.read_bytes(), name)
    except (ResultError, OSError) as error:
        problems.append(Problem("file_damaged", f"{name} cannot be read: {error}", _AGAIN))
        return {}
    return document if isinstance(document, dict) else {}


def _weights(folder: Path, problems: list[Problem]) -> dict[str, Header]:
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    owners = _index(folder, problems)
    named = set(owners.values())
    if not names and not named:
        problems.append(_no_weights(folder))
    missing = sorted(named - set(names))
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        told = f"{len(missing)} of {len(named)} weight files are missing: {shown}"
        problems.append(Problem("shard_missing", told, _AGAIN))
    headers: dict[str, Header] = {}
    for name in names:
        try:
            headers[name] = read_header(folder / name)
        except (ValueError, OSError) as error:
            problems.append(Problem("weights_damaged", f"{name}: {error}", _AGAIN))
    problems += _strays(headers, owners)
    return headers


def _strays(headers: Mapping[str, Header], owners: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each file that lacks tensors which the index says are in it."""
    for name, header in headers.items():
        lacking = [tensor for tensor, file in owners.items() if file == name]
        lacking = [tensor for tensor in lacking if tensor not in header.names]
        if lacking:
            told = f"{name} lacks {len(lacking)} tensors of the index, such as {lacking[0]}"
            yield Problem("shard_mismatch", told, _AGAIN)


def _index(folder: Path, problems: list[Problem]) -> Mapping[str, str]:
    """Return which file the index says each tensor is in."""
    document = _json(folder, INDEX, problems)
    owners = (document or {}).get("weight_map")
    if not isinstance(owners, dict):
        return {}
    return {str(tensor): str(file) for tensor, file in owners.items()}


def _no_weights(folder: Path) -> Problem:
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    if pickled:
        told = f"its weights are pickles ({pickled[0]}), which may run code"
        return Problem("pickle_only", told, "Get the safetensors version of it.")
    return Problem("weights_missing", "there are no weights: no *.safetensors", _AGAIN)


def _against_manifest(
    folder: Path, files: Mapping[str, Mapping[str, Any]] | None
) -> Iterator[Problem]:
    if files is None:
        told = "no manifest of a download is here to compare with"
        yield Problem("manifest_missing", told, "Only 'rdagent models download' leaves one.")
        return
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            yield Problem("file_missing", f"{name} is missing", _AGAIN)
        elif file_digest(path) != expected.get("sha256"):
            yield Problem("digest_differs", f"{name} is not the file that was got", _AGAIN)


def _cached_commit(folder: Path) -> str:
    return folder.name if folder.parent.name == "snapshots" else ""
