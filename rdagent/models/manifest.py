"""What a download leaves beside a model: where it came from and what every file is.

It lies in a folder of its own, so that it is no part of the model's digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.records.fields import Fields

PLACE = Path(".rdagent") / "model.json"
SCHEMA = "rdagent.model/1"


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """One download."""

    name: str
    commit: str
    revision: str
    endpoint: str
    made: str
    #: Per file: bytes, sha256, and what it was checked against.
    files: Mapping[str, Mapping[str, Any]]

    def write(self, folder: Path) -> None:
        """Write it into a model's folder."""
        document = {
            "schema": SCHEMA,
            "name": self.name,
            "commit": self.commit,
            "revision": self.revision,
            "endpoint": self.endpoint,
            "made": self.made,
            "files": {name: dict(row) for name, row in self.files.items()},
        }
        atomic.write_json(folder / PLACE, document)


def read_manifest(folder: Path) -> ModelManifest | None:
    """Read a folder's manifest; None when there is none that can be read."""
    try:
        fields = Fields(untrusted.read_json(folder / PLACE), str(PLACE), SCHEMA)
        files = fields.mapping("files")
        return ModelManifest(
            name=fields.text("name"),
            commit=fields.text("commit"),
            revision=fields.text("revision"),
            endpoint=fields.text("endpoint"),
            made=fields.text("made"),
            files={name: row for name, row in files.items() if isinstance(row, dict)},
        )
    except ResultError:
        return None
