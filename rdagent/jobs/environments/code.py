"""Copy what an image would get of our own: the package's inner rooms and the entry script."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rdagent.jobs.images.recipes import Recipe

APP_FOLDER = "app"


def copy_code(made_of: Recipe, folder: Path) -> None:
    """Make ``folder``; it appears whole, and one that is there already is kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, path in made_of.code_files().items():
            target = aside / (f"{APP_FOLDER}/{path.name}" if name.startswith("docker/") else name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        aside.chmod(0o755)
        try:
            aside.rename(folder)
        except OSError:
            # Another maker was quicker: what is there has the same content.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
