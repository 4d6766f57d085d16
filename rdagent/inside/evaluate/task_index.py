"""What lm_eval's index of tasks says of a name, without lm_eval being imported.

The index is a mapping from a name to an entry with ``kind``, ``cfg`` and ``tags``.
Used by ``selection``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rdagent.errors import RefusedError
from rdagent.files.printable import one_line

#: Where exceptions come from that mean: the data is not there.
_DATA_LIBRARIES = ("datasets", "huggingface_hub", "requests", "httpx", "fsspec")


def leaves(name: str, index: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tasks that a name stands for; a name that the index lacks stands for itself."""
    entry = index.get(name)
    kind = entry.kind.name if entry else ""
    if entry and kind == "TAG":
        for member in sorted(entry.tags):
            yield from leaves(member, index)
    elif entry and kind == "GROUP":
        yield from _members((entry.cfg or {}).get("task"), index)
    else:
        yield name


def _members(items: Any, index: Mapping[str, Any]) -> Iterator[str]:
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, str):
            yield from leaves(item, index)
        elif isinstance(item, dict) and item.get("group") in index:
            yield from leaves(item["group"], index)
        elif isinstance(item, dict) and "group" in item:
            yield from _members(item.get("task"), index)
        elif isinstance(item, dict) and isinstance(item.get("task"), str):
            yield from leaves(item["task"], index)


def refuse_unsafe(name: str, index: Mapping[str, Any]) -> None:
    """Raise RefusedError when a task runs code that the model wrote."""
    for leaf in leaves(name, index):
        if leaf in index and (index[leaf].cfg or {}).get("unsafe_code"):
            raise RefusedError(
                f"Task '{leaf}' runs code that the model writes",
                hint="such tasks are refused here",
            )


def why_not_loaded(name: str, index: Mapping[str, Any], error: Exception) -> str:
    """Return one line on a task that could not be loaded; it names the data set if that is why."""
    cause = one_line(f"{type(error).__name__}: {error}", 300)
    library = type(error).__module__.partition(".")[0]
    if library not in _DATA_LIBRARIES and not isinstance(error, OSError):
        return f"Task '{name}' cannot be loaded: {cause}"
    sources = {_source(index[leaf].cfg or {}) for leaf in leaves(name, index) if leaf in index}
    told = ", ".join(sorted(source for source in sources if source)[:5]) or "unknown"
    return f"Task '{name}': its data set ({told}) cannot be loaded: {cause}"


def _source(config: Mapping[str, Any]) -> str:
    path = str(config.get("dataset_path") or config.get("custom_dataset") or "")
    files = (config.get("dataset_kwargs") or {}).get("data_files")
    if files:
        return f"{path} {files}"
    return f"{path} {config['dataset_name']}" if config.get("dataset_name") else path
