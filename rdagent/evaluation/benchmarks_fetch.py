"""``benchmarks fetch``: the data of tasks from a hub, got in the image that will evaluate.

The one job with a network.  It writes to its own folder; what is whole there is published
into the benchmarks folder, data set by data set.  The user's token reaches
the job's own process and stands nowhere else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import load, runs_root
from rdagent.errors import RefusedError, ResultError
from rdagent.evaluation.benchmarks import find, published, write_manifest
from rdagent.evaluation.catalogue import Entry
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.files import atomic, untrusted
from rdagent.files.digests import file_digest
from rdagent.files.printable import one_line
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.logfile import tail
from rdagent.jobs.machine import with_image
from rdagent.jobs.profiles import evaluate_limits, offline_environment
from rdagent.jobs.runs import open_run
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from rdagent.models.access import HubAccess
from rdagent.records.benchmarks import MANIFEST_FILE, DataSet
from rdagent.records.reasons import Reason
from rdagent.records.status import STATUS_FILE, InsideStatus

_SETS_LIMIT = 10_000
_FILE_LIMIT = 64 << 30
_MANIFEST_LIMIT = 16 << 20
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Tasks whose data are wanted."""

    tasks: tuple[str, ...]
    timeout_seconds: float = 3600
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, what was here, what could not be had."""

    data_sets: tuple[DataSet, ...]
    were_here: tuple[str, ...]
    failed: tuple[str, ...]
    reason: Reason
    exit_code: int
    hint: str
    run_folder: Path | None


def fetch_job(request: FetchRequest, folder: Path, access: HubAccess) -> tuple[JobSpec, list[str]]:
    """Return the job that gets what is not here, and the names that it needs not get."""
    wanted, here = _wanted(request, folder)
    conf = with_timeout(load(BenchmarkDockerConf), request.timeout_seconds)
    names = tuple(entry.name for entry in wanted)
    spec = JobSpec(
        role="lm-eval",
        argv=("python", "-m", "rdagent.inside.evaluate.fetch_data", "{mount:out}", *names),
        limits=evaluate_limits(conf.resources()),
        environment=_environment(access),
        results=(STATUS_FILE,),
        network="bridge",
        image=conf.image,
    )
    return spec, here


def _wanted(request: FetchRequest, folder: Path) -> tuple[list[Entry], list[str]]:
    """Return the tasks to load: one for each data set that is not here."""
    resolved = resolve_tasks(request.tasks)
    wanted: dict[str, Entry] = {}
    here: list[str] = []
    for entry in (entry for entries in resolved.parts.values() for entry in entries):
        source = entry.needs.source if entry.needs else None
        if source is None:
            wanted[entry.name] = entry
        elif source.is_remote and (request.replace or find(folder, source) is None):
            wanted.setdefault(source.folder, entry)
        else:
            here.append(entry.name)
    return list(wanted.values()), here


def _environment(access: HubAccess) -> dict[str, str]:
    environment = offline_environment(0)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        environment[name] = "0"
    environment["HF_ENDPOINT"] = access.hub.endpoint
    if not access.hub.is_official:
        # The fast store of the official hub is asked whatever HF_ENDPOINT says.
        environment["HF_HUB_DISABLE_XET"] = "1"
    if access.token is not None:
        # A secret variable: it goes past the engine's records, and logs are cleaned of it.
        environment["HF_TOKEN"] = access.token
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value and "@" not in value:  # a password does not go into an environment
            environment[name] = value
    return environment


def fetch(
    request: FetchRequest, folder: Path, backend: Backend, access: HubAccess, say: Say
) -> Fetched:
    """Fetch what is not here; what came whole is kept even when the rest did not."""
    spec, here = fetch_job(request, folder, access)
    if len(spec.argv) == 4:
        return Fetched((), tuple(here), (), "ok", 0, "", None)
    spec = with_image(spec, backend)
    told = {"tasks": list(spec.argv[4:]), "endpoint": access.hub.endpoint}
    run = open_run(runs_root(), {"kind": "fetch", "told": told}, fresh=True)
    end = run_job(backend, spec, run.attempts, run.run_id, Watch(_teller(say)))
    came, damaged = _publish_all(end, folder)
    failed = [*damaged, *_failed(end)]
    reason: Reason = "results_invalid" if end.outcome.ok and damaged else end.outcome.reason
    status = run.finish(reason, failed[0] if failed else end.message)
    if end.interrupted:
        raise KeyboardInterrupt
    shutil.rmtree(end.out / "benchmarks", ignore_errors=True)
    hint = status.hint if reason != "ok" else ""
    return Fetched(
        tuple(came), tuple(here), tuple(failed), reason, status.exit_code, hint, run.path
    )


def _teller(say: Say) -> Callable[[Path], None]:
    def look(attempt: Path) -> None:
        lines = tail(attempt / "log.txt", 2048).replace("\r", "\n").strip().splitlines()
        if lines:
            say(one_line(lines[-1], 100))

    return look


def _failed(end: JobEnd) -> list[str]:
    try:
        status = InsideStatus.read(end.out)
    except ResultError:
        return []
    return [one_line(part.message, 400) for part in status.parts if part.reason != "ok"]


def _publish_all(end: JobEnd, folder: Path) -> tuple[list[DataSet], list[str]]:
    came: list[DataSet] = []
    damaged: list[str] = []
    for place in _places(end.out / "benchmarks"):
        try:
            came.append(_publish(place, folder))
        except (ResultError, RefusedError) as error:
            damaged.append(one_line(f"{place.parent.name}/{place.name}: {error.message}", 300))
    return came, damaged


def _places(root: Path) -> Iterator[Path]:
    """Yield the folders that hold a manifest; no link is followed."""
    count = 0
    for first in _folders(root):
        for place in _folders(first):
            count += 1
            if count > _SETS_LIMIT:
                raise ResultError(f"more than {_SETS_LIMIT} data sets were written")
            if (place / MANIFEST_FILE).is_file():
                yield place


def _folders(folder: Path) -> Sequence[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))
    except OSError:
        return ()


def _publish(place: Path, folder: Path) -> DataSet:
    """Copy one data set that the job wrote, as a stranger's upload."""
    name = f"{place.parent.name}/{place.name}"
    document = untrusted.read_json(place / MANIFEST_FILE, _MANIFEST_LIMIT)
    data_set = DataSet.from_json(document, f"{name}/{MANIFEST_FILE}")
    if data_set.source.folder != name or not data_set.splits:
        raise ResultError(f"the manifest of {name} is another data set's, or empty")
    with published(folder, data_set.source) as target:
        for split in data_set.splits.values():
            atomic.copy_untrusted(place / split.file, target / split.file, _FILE_LIMIT)
            if file_digest(target / split.file) != split.sha256:
                raise ResultError(f"{split.file} is not the file that the manifest names")
        write_manifest(target, data_set)
    return data_set
