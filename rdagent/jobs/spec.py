"""A job as plain data: it can be written to a file and run on another machine.

Argv, environment and generated files say ``{mount:name}``; the backend puts in
what the job will see there: the target in a container, the source without one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rdagent.errors import InternalError, ResultError
from rdagent.files.redaction import redact_environment, redact_text, secrets_of
from rdagent.records.fields import Fields

SCHEMA = "rdagent.job/1"
_REFERENCE = re.compile(r"\{mount:([a-z0-9_-]+)\}")

Role = Literal["train", "lm-eval"]
ROLES: tuple[Role, ...] = ("train", "lm-eval")
Network = Literal["none", "bridge"]
Accelerator = Literal["cpu", "cuda"]
ACCELERATORS: tuple[Accelerator, ...] = ("cpu", "cuda")

#: Mounts that the supervisor adds itself, under the attempt's folder.
OUT, SCRATCH, GENERATED = "out", "scratch", "in"
GIBIBYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host that the job sees at ``target``."""

    name: str
    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use; memory counts swap as well."""

    deadline_seconds: float
    grace_seconds: float
    memory_bytes: int
    cpus: float
    shm_bytes: int = 8 * GIBIBYTE
    pids: int = 4096
    tmp_bytes: int = GIBIBYTE
    log_bytes: int = 64 << 20
    out_bytes: int = 64 * GIBIBYTE
    open_files: int = 65535


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One isolated run; ``results`` are files, under the mount ``out``, that it must write."""

    role: Role
    argv: tuple[str, ...]
    limits: Limits
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Small text files, by name, that the job finds under ``{mount:in}``.
    files: Mapping[str, str] = field(default_factory=dict)
    results: tuple[str, ...] = ()
    #: Folders of ``out``, by name, that the job sees a second time at the path given.
    overlays: Mapping[str, str] = field(default_factory=dict)
    network: Network = "none"
    #: Device ids; empty means that the job sees no GPU.
    gpus: tuple[str, ...] = ()
    #: The folder it starts in; may refer to a mount.
    workdir: str = "{mount:out}"
    #: An image to use instead of the role's own.
    image: str | None = None

    @property
    def accelerator(self) -> Accelerator:
        """What the role's libraries are made for: a job with GPUs needs those for CUDA."""
        return accelerator_of(self.gpus)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document, with the values of secret variables masked everywhere."""
        document = {"schema": SCHEMA, **asdict(self)}
        secrets = tuple(secrets_of(self.environment).values())
        document["environment"] = redact_environment(self.environment)
        document["argv"] = [redact_text(word, secrets) for word in self.argv]
        document["files"] = {n: redact_text(text, secrets) for n, text in self.files.items()}
        return document

    @classmethod
    def from_json(cls, document: Any) -> JobSpec:
        """Read a job; raises ResultError when the document is not one."""
        fields = Fields(document, "job.json", SCHEMA)
        mounts = [Fields(item, "job.json: mount") for item in fields.items("mounts")]
        try:
            limits = Limits(**fields.mapping("limits"))
        except TypeError as error:
            raise ResultError(f"job.json: limits: {error}") from error
        return cls(
            role=_one_of(fields.text("role"), ROLES, "role"),
            argv=fields.texts("argv"),
            limits=limits,
            mounts=tuple(
                Mount(m.text("name"), m.text("source"), m.text("target"), m.flag("read_only"))
                for m in mounts
            ),
            environment=fields.mapping("environment"),
            files=fields.mapping("files"),
            results=fields.texts("results"),
            overlays=fields.mapping("overlays"),
            network=_one_of(fields.text("network"), ("none", "bridge"), "network"),
            gpus=fields.texts("gpus"),
            workdir=fields.text("workdir"),
            image=fields.text_or_none("image"),
        )


def _one_of(value: str, allowed: tuple[Any, ...], what: str) -> Any:
    if value not in allowed:
        raise ResultError(f"job.json: {what} {value!r} is none of {', '.join(allowed)}")
    return value


def accelerator_of(gpus: Sequence[str]) -> Accelerator:
    """Return what the libraries of a job on these GPUs, or on none, are made for."""
    return "cuda" if gpus else "cpu"


def substitute(text: str, places: Mapping[str, str]) -> str:
    """Put in for every ``{mount:name}`` what the job sees there."""

    def place(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in places:
            raise InternalError(f"a job refers to the mount {name!r}, which it does not have")
        return places[name]

    filled = _REFERENCE.sub(place, text)
    if "{mount:" in filled:
        raise InternalError(f"a reference to a mount is malformed: {text[:200]!r}")
    return filled
