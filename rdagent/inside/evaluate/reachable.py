"""What a function of a task's module imports and uses, read from the source, never run.

Followed are the functions, classes and module-level code that it reaches, in its own
module and in those beside it.  Used by ``scoring_calls``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

#: Tasks that come with lm_eval import each other by this name; other parts are not followed.
_TASKS = ("lm_eval", "tasks")
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Use:
    """A use of something imported: its dotted name, and where it stands."""

    name: str
    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class _Import:
    """What a name is bound to: a module, or a name out of one."""

    module: str
    name: str
    level: int
    line: int

    @property
    def dotted(self) -> str:
        return ".".join(part for part in (self.module, self.name) if part)


@dataclass(slots=True)
class _Module:
    path: Path
    #: Functions, classes, and assignments in which nothing is called.
    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, _Import] = field(default_factory=dict)
    stars: list[_Import] = field(default_factory=list)
    #: What runs when the module is imported.
    runs: list[ast.stmt] = field(default_factory=list)

    def add(self, body: list[ast.stmt]) -> None:
        """Sort the statements of the module's body, those of its branches among them."""
        for statement in body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                bound, stars = _bindings(statement)
                self.imports |= bound
                self.stars += stars
            elif isinstance(statement, _Definition):
                self.defined.setdefault(statement.name, []).append(statement)
            elif isinstance(statement, ast.Try):
                self.add([*statement.body, *statement.orelse, *statement.finalbody])
                self.add([each for handler in statement.handlers for each in handler.body])
            elif isinstance(statement, ast.If):
                self.add([] if _is_not_run(statement.test) else statement.body)
                self.add(statement.orelse)
            else:
                self._add_other(statement)

    def _add_other(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        self.defined.setdefault(node.id, []).append(statement)
            if not _calls(statement):
                return
        self.runs.append(statement)


def _calls(node: ast.AST) -> bool:
    """Tell whether something is called when this runs; the body of a lambda does not run."""
    if isinstance(node, ast.Call):
        return True
    return not isinstance(node, ast.Lambda) and any(map(_calls, ast.iter_child_nodes(node)))


def _is_not_run(test: ast.expr) -> bool:
    """Tell whether a branch is for type checkers, or for a module that is run by itself."""
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}
    return bool(names & {"TYPE_CHECKING", "__name__"})


def _bindings(node: ast.Import | ast.ImportFrom) -> tuple[dict[str, _Import], list[_Import]]:
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.partition(".")[0]: _Import(alias.name, "", 0, node.lineno)
            for alias in node.names
        }, []
    module = node.module or ""
    found = {
        alias.asname or alias.name: _Import(module, alias.name, node.level, node.lineno)
        for alias in node.names
    }
    star = found.pop("*", None)
    return found, [_Import(module, "", node.level, node.lineno)] if star else []


@cache
def _read(path: Path) -> _Module | None:
    """Return a module; None when it is no Python that can be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    module = _Module(path)
    module.add(tree.body)
    return module


def uses(path: Path, function: str) -> Iterator[Use]:
    """Yield what a function or class of a module uses of other packages.

    A name that the module does not hold, a lambda's, stands for all of it.
    """
    walk, module = _Walk(), _read(path)
    if holds(path, function) or (module and module.stars):
        yield from walk.name(path, function)
    else:
        yield from walk.everything(path)


class _Walk:
    """One search; every name of every module is looked at once."""

    def __init__(self) -> None:
        self._seen: set[tuple[Path, str]] = set()
        self._imported_files: set[Path] = set()

    def name(self, path: Path, name: str) -> Iterator[Use]:
        """Yield the uses of a module's name, and of what runs when the module is imported.

        An empty name is the module alone.
        """
        module = _read(path)
        if module is None:
            return
        if name:
            yield from self._own(module, name)
        if path not in self._imported_files:
            self._imported_files.add(path)
            for statement in module.runs:
                yield from self._node(module, statement)

    def everything(self, path: Path) -> Iterator[Use]:
        """Yield the uses of all that a module defines."""
        yield from self.name(path, "")
        module = _read(path)
        for name in (*module.defined, *module.imports) if module else ():
            yield from self.name(path, name)

    def _own(self, module: _Module, name: str) -> Iterator[Use]:
        if (module.path, name) in self._seen:
            return
        self._seen.add((module.path, name))
        for definition in module.defined.get(name, ()):
            yield from self._node(module, definition)
        if name in module.imports:
            yield from self._imported(module, module.imports[name], "")
        elif name not in module.defined:
            for star in module.stars:
                beside = _beside(module.path, star)
                if beside and holds(beside.file, name):
                    yield from self.name(beside.file, name)

    def _node(self, module: _Module, node: ast.AST) -> Iterator[Use]:
        """Yield the uses in a statement; imports inside it count whether used or not."""
        local: dict[str, _Import] = {}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                bound, _ = _bindings(inner)
                local |= bound
        for binding in local.values():
            yield from self._imported(module, binding, "")
        for inner in ast.walk(node):
            yield from self._reference(module, inner, local)

    def _reference(
        self, module: _Module, node: ast.AST, local: Mapping[str, _Import]
    ) -> Iterator[Use]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            binding = local.get(node.value.id) or module.imports.get(node.value.id)
            if binding:
                yield from self._imported(module, binding, node.attr)
        elif isinstance(node, ast.Name) and node.id not in local:
            yield from self._own(module, node.id)
        elif isinstance(node, ast.Call) and (named := _imported_by_name(node)):
            yield Use(named, module.path, node.lineno)

    def _imported(self, module: _Module, binding: _Import, attribute: str) -> Iterator[Use]:
        beside = _beside(module.path, binding)
        if beside is None or beside.is_guess:
            dotted = f"{binding.dotted}.{attribute}" if attribute else binding.dotted
            yield Use(dotted, module.path, binding.line)
        if beside is not None:
            yield from self.name(beside.file, attribute if beside.is_whole else binding.name)


def holds(path: Path, name: str) -> bool:
    """Tell whether a module defines or imports a name."""
    module = _read(path)
    return module is not None and (name in module.defined or name in module.imports)


def _imported_by_name(call: ast.Call) -> str | None:
    """Return the module that ``import_module("x")`` or ``__import__("x")`` names."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in ("import_module", "__import__") or not call.args:
        return None
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


@dataclass(frozen=True, slots=True)
class _Beside:
    """A file of the task's own that an import leads to."""

    file: Path
    #: What is imported is the module itself, not a name out of it.
    is_whole: bool
    #: A package of that name may be meant as well.
    is_guess: bool = False


def _beside(path: Path, binding: _Import) -> _Beside | None:
    parts = binding.module.split(".") if binding.module else []
    is_guess = False
    if binding.level:
        folder = path.parents[min(binding.level, len(path.parents)) - 1]
    elif tuple(parts[:2]) == _TASKS and _TASKS[0] in path.parts:
        place = len(path.parts) - 1 - path.parts[::-1].index(_TASKS[0])
        folder = Path(*path.parts[:place])
    else:
        folder, is_guess = path.parent, True
    if binding.name and (file := _file_of(folder, [*parts, binding.name])):
        return _Beside(file, is_whole=True, is_guess=is_guess)
    file = _file_of(folder, parts)
    return _Beside(file, is_whole=not binding.name, is_guess=is_guess) if file else None


def _file_of(folder: Path, parts: list[str]) -> Path | None:
    if not parts:
        return None
    plain = folder.joinpath(*parts)
    candidates = (plain.with_name(f"{plain.name}.py"), plain / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
