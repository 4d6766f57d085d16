"""Which files an image is made of, and the digests that name it; touches no engine.

Only names and contents count: times, modes and files outside the lists change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rdagent.errors import InternalError, RefusedError
from rdagent.files.digests import text_digest, tree_digest
from rdagent.jobs.spec import ACCELERATORS, Accelerator, Role

PACKAGE = "rdagent"
TAG_LENGTH = 16
_FOLDERS: dict[Role, str] = {"train": "train", "lm-eval": "lm_eval"}
_ENTRIES: dict[Role, str] = {"train": "train_entrypoint.sh", "lm-eval": "eval_entrypoint.sh"}
#: What of the package runs inside; a pattern that matches nothing is a room not yet built.
_ROOMS = (
    "__init__.py",
    "errors.py",
    "files/**/*",
    "records/**/*",
    "inside/**/*",
    "statistics/**/*",
    "suites/__init__.py",
    "suites/*/__init__.py",
    "suites/*/tasks/**/*",
    "suites/*/scoring/**/*",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where one role's files lie: recipes under ``root``, the package's code at ``package``."""

    role: Role
    accelerator: Accelerator
    root: Path
    package: Path

    @property
    def folder(self) -> Path:
        """The role's own folder."""
        return self.root / _FOLDERS[self.role]

    @property
    def dockerfile(self) -> str:
        """The recipe of the libraries, as a name in its context."""
        return f"{_FOLDERS[self.role]}/deps.Dockerfile"

    @property
    def code_dockerfile(self) -> str:
        """The recipe of the code layer, as a name in its context."""
        return f"docker/{_FOLDERS[self.role]}/Dockerfile"

    @property
    def locks(self) -> tuple[Path, ...]:
        """The lock of the libraries, and of those installed without their requirements, if any."""
        alone = self.folder / f"no-deps-{self.accelerator}.lock"
        ordinary = self.folder / f"requirements-{self.accelerator}.lock"
        return (ordinary, alone) if alone.is_file() else (ordinary,)

    @property
    def torch_requirement(self) -> str:
        """What pip is asked for: the pinned torch; only its CPU builds carry a label."""
        pinned = (self.folder / "torch.txt").read_text("utf-8").strip()
        return f"{pinned}+cpu" if self.accelerator == "cpu" else pinned

    def stand_ins(self) -> tuple[Path, ...]:
        """Return the folders whose content takes the place of packages that are left out."""
        names = ("stand_ins", f"stand_ins-{self.accelerator}")
        return tuple(self.folder / name for name in names if (self.folder / name).is_dir())

    def deps_files(self) -> dict[str, Path]:
        """Return what the libraries are made of, by name in the build's context."""
        paths = [self.root / "install.sh", self.folder / "deps.Dockerfile"]
        paths += [self.folder / "torch.txt", *self.locks]
        for folder in self.stand_ins():
            paths += _files_under(folder)
        return {path.relative_to(self.root).as_posix(): path for path in paths}

    def code_files(self) -> dict[str, Path]:
        """Return what the code layer is made of, by name in the build's context."""
        paths = {path for room in _ROOMS for path in self.package.glob(room) if _counts(path)}
        named = {f"{PACKAGE}/{path.relative_to(self.package).as_posix()}": path for path in paths}
        for name in ("Dockerfile", _ENTRIES[self.role]):
            path = self.folder / name
            named[f"docker/{path.relative_to(self.root).as_posix()}"] = path
        return named

    def lock_digest(self) -> str:
        """Return the digest of both locks: what a wheelhouse is named by."""
        return tree_digest(self.folder, self.locks)[:TAG_LENGTH]

    def deps_digest(self, base_id: str, torch: str) -> str:
        """Return the digest that names the libraries' image."""
        files = tree_digest(self.root, self.deps_files().values())
        return text_digest("deps/1", self.accelerator, base_id, torch, files)[:TAG_LENGTH]

    def code_digest(self, deps: str) -> str:
        """Return the digest that names the whole image, on libraries called ``deps``."""
        files = self.code_files()
        rows = [f"{name}\0{_content(path)}" for name, path in sorted(files.items())]
        return text_digest("code/1", deps, *rows)[:TAG_LENGTH]


def recipe(role: Role, accelerator: str = "cpu") -> Recipe:
    """Return a role's recipe; an accelerator without one is refused."""
    for known in ACCELERATORS:
        if accelerator == known:
            return Recipe(role, known, recipe_root(), package_root())
    raise RefusedError(
        f"no images for the accelerator {accelerator!r}",
        hint=f"Supported: {', '.join(ACCELERATORS)}.",
    )


def package_root() -> Path:
    """Return the folder of the package itself."""
    return Path(__file__).resolve().parents[2]


def recipe_root() -> Path:
    """Return the folder of all recipes: in the source tree, else in the installed package."""
    package = package_root()
    for folder in (package.parent / "docker", package / "_docker"):
        if (folder / "install.sh").is_file():
            return folder
    raise InternalError(f"the image recipes are neither beside {package} nor inside it")


def base_files(root: Path, accelerator: Accelerator) -> list[Path]:
    """Return what the base image is made of: the script, then its lists of packages."""
    files = [root / "base" / "make_base.sh", root / "base" / "packages.txt"]
    extra = root / "base" / f"packages-{accelerator}.txt"
    return [*files, extra] if extra.is_file() else files


def _files_under(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if _counts(path))


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _content(path: Path) -> str:
    return tree_digest(path.parent, [path])
