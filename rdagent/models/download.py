"""Get a model from a hub: a folder appears whole and checked, or not at all.

Files come into a folder beside the target, named after the commit; what is there when a
transfer breaks off is gone on with.  Every file is compared with the hub's own sum.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rdagent.core.settings import cache_root
from rdagent.errors import InfrastructureError, RefusedError
from rdagent.files.digests import text_digest
from rdagent.files.locks import file_lock
from rdagent.files.paths import contained
from rdagent.files.printable import printable, readable_size
from rdagent.models.completeness import inspect_model
from rdagent.models.hub import Hub, HubFile, HubModel, Restart
from rdagent.models.manifest import ModelManifest, read_manifest
from rdagent.records.events import now

#: What a model is used with; weights in other formats, and code, stay away.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "LICENSE*")
UNWANTED = ("consolidated*", "*.index.json.bak", "training_args*")
_SUBFOLDERS = ("additional_chat_templates/",)
#: Tries in a row that bring nothing; a try that brings bytes begins the count anew.
TRIES = 5
PAUSE_SECONDS = 1.0
_SPARE_BYTES = 64 << 20
_CHUNK = 1 << 20
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Download:
    """What is to be got, and where it goes."""

    model: HubModel
    revision: str
    target: Path
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """How much that is."""
        return sum(file.bytes for file in self.files)

    @property
    def partial(self) -> Path:
        """The folder that it grows in."""
        return self.target.parent / f".{self.target.name}.{self.model.commit[:12]}.partial"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A model that is here now."""

    folder: Path
    commit: str
    bytes: int
    #: It was here already and is whole.
    was_here: bool = False


def plan(hub: Hub, name: str, revision: str, target: Path) -> Download:
    """Look up what a model consists of; raises RefusedError for one that cannot be used."""
    model = hub.model(name, revision)
    files = tuple(file for file in model.files if _is_wanted(file.path))
    if not any(file.path.endswith(".safetensors") for file in files):
        pickled = any(file.path.endswith((".bin", ".pth", ".pt")) for file in model.files)
        why = "its weights are pickles, which may run code" if pickled else "it has no weights"
        raise RefusedError(
            f"{name} has no *.safetensors: {why}",
            hint="Look for a safetensors version of it, or another revision (--revision).",
        )
    for file in files:
        contained(target, file.path)
        if printable(file.path) != file.path:
            raise RefusedError(f"{name} has a file with control characters in its name")
    return Download(model, revision, target, files)


def _is_wanted(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    if folder and not path.startswith(_SUBFOLDERS):
        return False
    if any(fnmatch(name, pattern) for pattern in UNWANTED):
        return False
    return any(fnmatch(name, pattern) for pattern in WANTED)


def download(hub: Hub, wanted: Download, *, replace: bool = False, say: Say) -> Downloaded:
    """Get a model; a second call for what is here gets nothing, one that broke off goes on."""
    lock = cache_root() / "locks" / f"model-{text_digest(str(wanted.target.absolute()))[:16]}.lock"
    with file_lock(lock, lambda holder: say(f"waiting for {holder}, which gets the same model")):
        if wanted.target.exists() and _is_here(wanted):
            return Downloaded(wanted.target, wanted.model.commit, wanted.bytes, was_here=True)
        if wanted.target.exists() and any(wanted.target.iterdir()) and not replace:
            raise RefusedError(
                f"{wanted.target} is there already, and is not this commit of {wanted.model.name}",
                hint="Give --replace to put this one in its place, or another folder with --to.",
            )
        _require_room(wanted)
        rows = _get_all(hub, wanted, say)
        manifest = ModelManifest(
            name=wanted.model.name,
            commit=wanted.model.commit,
            revision=wanted.revision,
            endpoint=hub.endpoint,
            made=now(),
            files=rows,
        )
        manifest.write(wanted.partial)
        _require_whole(wanted)
        _publish(wanted)
    return Downloaded(wanted.target, wanted.model.commit, wanted.bytes)


def _is_here(wanted: Download) -> bool:
    manifest = read_manifest(wanted.target)
    same = manifest is not None and manifest.commit == wanted.model.commit
    return same and inspect_model(wanted.target).ok


def _require_room(wanted: Download) -> None:
    wanted.partial.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in wanted.partial.rglob("*") if path.is_file())
    needed = wanted.bytes - there + _SPARE_BYTES
    free = shutil.disk_usage(wanted.partial).free
    if free < needed:
        raise InfrastructureError(
            f"{wanted.model.name} needs {readable_size(needed)} more in {wanted.target.parent},"
            f" and {readable_size(free)} are free",
            hint="Make room, or name another folder with --to.",
        )


def _get_all(hub: Hub, wanted: Download, say: Say) -> Mapping[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    for number, file in enumerate(wanted.files, start=1):
        title = f"{number}/{len(wanted.files)} {file.path}"
        rows[file.path] = _Transfer(hub, wanted, file, _titled(say, title)).run()
    return rows


def _titled(say: Say, title: str) -> Say:
    return lambda text: say(f"{title}: {text}")


class _Transfer:
    """One file, until it is here and is what the hub says it is."""

    def __init__(self, hub: Hub, wanted: Download, file: HubFile, say: Say) -> None:
        self._hub, self._wanted, self._file, self._say = hub, wanted, file, say
        self._path = contained(wanted.partial, file.path)

    def run(self) -> Mapping[str, Any]:
        """Get the file; bytes that are wrong are got once more, then given up."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            self._fetch()
            sums = _sums(self._path)
            if self._agrees(sums):
                checked = "sha256" if self._file.sha256 else "git" if self._file.blob else "size"
                return {"bytes": self._file.bytes, "sha256": sums.sha256, "checked": checked}
            self._path.unlink()
            self._say("wrong bytes came; once more")
        raise InfrastructureError(
            f"{self._hub.endpoint} sends other bytes for {self._file.path} than it names",
            hint="A mirror or a proxy may alter files; try the official hub (HF_ENDPOINT).",
        )

    def _agrees(self, sums: _Sums) -> bool:
        if self._file.sha256:
            return sums.sha256 == self._file.sha256
        return not self._file.blob or sums.blob == self._file.blob

    def _fetch(self) -> None:
        idle = 0
        while (start := self._size()) < self._file.bytes or not self._path.exists():
            try:
                self._receive(start)
                error: InfrastructureError | None = None
            except Restart:
                self._path.unlink(missing_ok=True)
                error = None
            except InfrastructureError as problem:
                if not problem.retryable:
                    raise
                error = problem
            idle = 0 if self._size() > start else idle + 1
            if idle >= TRIES:
                raise error or InfrastructureError(
                    f"{self._hub.endpoint} ends {self._file.path} at {start} of"
                    f" {self._file.bytes} bytes, {TRIES} times in a row",
                    hint="The same command goes on where this one ended.",
                )
            if self._size() < self._file.bytes:
                self._say("broken off, going on")
                time.sleep(min(PAUSE_SECONDS * 2**idle, 10 * PAUSE_SECONDS))

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _receive(self, start: int) -> None:
        try:
            self._append(start)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InfrastructureError(
                f"no room is left for {self._path}", hint="Make room; the same command goes on."
            ) from error

    def _append(self, start: int) -> None:
        total = start
        step = max(self._file.bytes // 20, _CHUNK)
        with self._path.open("ab") as sink:
            for chunk in self._hub.chunks(self._wanted.model, self._file, start):
                # Never more than was announced, whatever the other side sends.
                sink.write(chunk[: self._file.bytes - total])
                if total // step != (total + len(chunk)) // step:
                    so_far = readable_size(total + len(chunk))
                    self._say(f"{so_far} of {readable_size(self._file.bytes)}")
                total += len(chunk)
                if total >= self._file.bytes:
                    break
            sink.flush()
            os.fsync(sink.fileno())


@dataclass(frozen=True, slots=True)
class _Sums:
    sha256: str
    blob: str


def _sums(path: Path) -> _Sums:
    """Return a file's SHA-256, and the SHA-1 that git names it by."""
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            sha256.update(chunk)
            blob.update(chunk)
    return _Sums(sha256.hexdigest(), blob.hexdigest())


def _require_whole(wanted: Download) -> None:
    report = inspect_model(wanted.partial)
    if not report.ok:
        problem = report.problems[0]
        raise RefusedError(
            f"{wanted.model.name} came as the hub has it, and is no model that can be used:"
            f" {problem.message}",
            hint=f"It is kept in {wanted.partial}; another revision may be whole (--revision).",
        )


def _publish(wanted: Download) -> None:
    target = wanted.target
    if not target.exists():
        os.replace(wanted.partial, target)
        return
    old = target.parent / f".{target.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    os.replace(target, old)
    os.replace(wanted.partial, target)
    shutil.rmtree(old)
