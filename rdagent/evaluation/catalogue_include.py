"""The tasks, tags and groups that folders of task files bring.

Read by ``tasks``.  The files are YAML with ``!function`` tags, which name Python code:
here a tag is a text and nothing is imported or run.  Names follow lm_eval's rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.evaluation.catalogue import Entry
from rdagent.records.benchmarks import needs_of

FILE_LIMIT = 1 << 20
FILES_LIMIT = 20_000
_IGNORED = {"__pycache__", ".ipynb_checkpoints"}


@dataclass(frozen=True, slots=True)
class Included:
    """What the folders hold, and the files that could not be read."""

    entries: Mapping[str, Entry]
    unreadable: tuple[str, ...]


def included(folders: Sequence[Path]) -> Included:
    """Read the task files of some folders; a later folder replaces an earlier one's names."""
    entries: dict[str, Entry] = {}
    unreadable: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            raise RefusedError(
                f"the include folder {folder} is not there", hint="Give a folder of task files."
            )
        entries.update(_of_folder(folder, unreadable))
    return Included(entries, tuple(unreadable))


def _of_folder(folder: Path, unreadable: list[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    tags: dict[str, list[str]] = {}
    for path in _files(folder):
        try:
            config = _load(path, ())
        except (OSError, ValueError) as error:
            unreadable.append(f"{path.relative_to(folder)}: {error}")
            continue
        entry = _entry(config)
        if entry is None or entry.name in found:
            continue
        found[entry.name] = entry
        if entry.kind == "task":
            for tag in _texts(config.get("tag")):
                tags.setdefault(tag, []).append(entry.name)
    for tag, members in tags.items():
        found.setdefault(tag, Entry(tag, "tag", tuple(sorted(members))))
    return found


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*.yaml") if not _IGNORED & set(path.parts)]
    if len(found) > FILES_LIMIT:
        raise RefusedError(f"{folder} holds {len(found)} task files; {FILES_LIMIT} are read")
    return sorted(found, key=Path.as_posix)


def _entry(config: Mapping[str, Any]) -> Entry | None:
    """Return what a file defines; most files that others include define nothing."""
    group, task = config.get("group"), config.get("task")
    if isinstance(group, str) and "class" not in config:
        scored = bool(config.get("aggregate_metric_list"))
        return Entry(group, "group", tuple(_members(group, task)), scored=scored)
    if isinstance(task, str):
        return Entry(task, "task", unsafe=bool(config.get("unsafe_code")), needs=needs_of(config))
    return None


def _members(group: str, items: Any) -> Iterator[str]:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("task"), list):
            yield from _members(group, item["task"])
        elif isinstance(item, dict):
            name = item.get("group") or item.get("task")
            if isinstance(name, str):
                yield name


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _load(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """Return a file's mapping, with what it includes under it."""
    path = path.resolve()
    if path in seen:
        raise ValueError("the file includes itself")
    config = parse_yaml(_text(path))
    merged: dict[str, Any] = {}
    for name in _texts(config.pop("include", None)):
        merged.update(_load(path.parent / name, (*seen, path)))
    return {**merged, **config}


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        content = stream.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f"over {FILE_LIMIT} bytes")
    return content.decode("utf-8")


def parse_yaml(text: str) -> dict[str, Any]:
    """Return a YAML mapping; an unknown tag gives its text and runs nothing."""
    import yaml

    base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    loader: Any = type("TaskFileLoader", (base,), {})
    loader.add_multi_constructor("!", _tag_as_text)
    try:
        config = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, tags as text
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(config, dict):
        raise ValueError("not a mapping")
    return config


def _tag_as_text(loader: Any, suffix: str, node: Any) -> str:
    return f"!{suffix} {node.value}" if isinstance(node.value, str) else f"!{suffix}"
