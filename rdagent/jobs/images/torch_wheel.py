"""Which build of torch goes into the images, and how it comes here.

torch stands outside the locks, because its CPU and CUDA builds share a version: pip's
own configuration or RDAGENT_TORCH_INDEX decides.  A CPU role asks for the build that is
labelled ``+cpu``, so that a CUDA build is refused before it is fetched; a CUDA role looks
into what it got, and refuses a CPU build.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rdagent.core.settings import PathSettings, cache_root, load
from rdagent.errors import InfrastructureError
from rdagent.files import atomic
from rdagent.files.digests import file_digest, text_digest
from rdagent.files.locks import file_lock
from rdagent.jobs.images.engine import LABEL, labels_of
from rdagent.jobs.images.pip import PipFailed, run_pip
from rdagent.jobs.images.space import GIBIBYTE, require_space

TORCH_LABEL = f"{LABEL}.torch"
HINT = (
    "Point pip at an index with CPU builds, such as the one that PyTorch publishes: set "
    "RDAGENT_TORCH_INDEX to its address, or configure pip."
)
CUDA_HINT = (
    "Point pip at an index with CUDA builds: unset RDAGENT_TORCH_INDEX, or set it to such an "
    "index; and let pip find no CPU build first (find-links)."
)


@dataclass(frozen=True, slots=True)
class TorchWheel:
    """The file of torch that images are made with; ``source`` says what was asked for where."""

    source: str
    wheel: str
    sha256: str

    @property
    def identity(self) -> str:
        """What of it goes into the name of an image."""
        return f"{self.wheel}:{self.sha256}"

    @property
    def label(self) -> str:
        """The label's value that lets an image tell which torch it was made with."""
        return f"{self.source}:{self.identity}"


def recorded_torch(requirement: str) -> TorchWheel | None:
    """Return the torch that was fetched last, from its record; asks no engine."""
    record = _record(_source(requirement))
    return TorchWheel(**json.loads(record.read_text("utf-8"))) if record.is_file() else None


def known_torch(requirement: str) -> TorchWheel | None:
    """Return the torch that was fetched last, from its record or an image's label."""
    if recorded := recorded_torch(requirement):
        return recorded
    source = _source(requirement)
    for labels in labels_of(f"{TORCH_LABEL}.source", source):
        parts = labels.get(TORCH_LABEL, "").split(":")
        if len(parts) == 3:
            return TorchWheel(*parts)
    return None


def ensure_torch(requirement: str, *, progress: Callable[[str], None]) -> tuple[TorchWheel, Path]:
    """Return torch and the path of its wheel, fetching it if it is not here."""
    source = _source(requirement)
    folder = cache_root() / "wheels" / f"torch-{source}"
    with file_lock(cache_root() / "locks" / f"torch-{source}.lock", _waiting(progress)):
        known = known_torch(requirement) if _record(source).is_file() else None
        if known and (folder / known.wheel).is_file():
            return known, folder / known.wheel
        require_space(cache_root(), GIBIBYTE, "fetch torch")
        progress(f"fetching {requirement}")
        path = _fetch(requirement, folder)
        found = TorchWheel(source, path.name, file_digest(path))
        atomic.write_json(_record(source), asdict(found))
        return found, path


def _fetch(requirement: str, folder: Path) -> Path:
    index = load(PathSettings).rdagent_torch_index
    where = ["--index-url", index] if index else []
    arguments = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), *where]
    for stale in folder.glob("*.whl"):
        stale.unlink()
    try:
        run_pip(["download", *arguments, requirement], log="torch")
    except PipFailed as failed:
        if not failed.nothing_matches:
            raise
        raise _no_match(requirement) from failed
    path = next(folder.glob("*.whl"))
    check_build(path, for_cpu=requirement.endswith("+cpu"))
    return path


def _no_match(requirement: str) -> InfrastructureError:
    if requirement.endswith("+cpu"):
        return InfrastructureError(
            f"pip offers no CPU build of torch: nothing matches {requirement}; "
            "a CUDA build was not fetched",
            hint=HINT,
        )
    return InfrastructureError(f"pip offers no torch that matches {requirement}", hint=CUDA_HINT)


def check_build(wheel: Path, *, for_cpu: bool) -> None:
    """Refuse a wheel for the other accelerator, whatever its name says: CUDA needs libraries."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode("utf-8")
    wanted = [
        line
        for line in metadata.splitlines()
        if line.startswith(("Requires-Dist: nvidia", "Requires-Dist: cuda"))
    ]
    if not wanted and not for_cpu:
        raise InfrastructureError(
            f"{wheel.name} is a CPU build of torch, and the image is for CUDA", hint=CUDA_HINT
        )
    if wanted and for_cpu:
        raise InfrastructureError(
            f"{wheel.name} is a CUDA build of torch (it requires {wanted[0].split()[1]})", hint=HINT
        )


def _source(requirement: str) -> str:
    index = load(PathSettings).rdagent_torch_index or ""
    return text_digest("torch", requirement, index)[:12]


def _record(source: str) -> Path:
    return cache_root() / "torch" / f"{source}.json"


def _waiting(progress: Callable[[str], None]) -> Callable[[str], None]:
    return lambda holder: progress(f"waiting for {holder}, which fetches torch")
