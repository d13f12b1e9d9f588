"""A package as its source says it is: what its modules import and how large they are. Executes nothing of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

FORBIDDEN_NAMES = frozenset({"common", "data", "helper", "helpers", "manager", "misc", "msg", "util", "utils"})
"""They say nothing of what is inside."""
KERNEL_DECORATORS = frozenset({"kernel", "inlined"})
"""Compiled functions; a long one is one where splitting would cost speed, and says so in its signature's comment."""

Rooms = Sequence[str]
"""Patterns of module names without the package's own; each covers what lies below it."""


class SourceTree:
    """The modules of one package by their names in it; the package's own `__init__` is called so.

    Imports count wherever they stand: in a function, and under `TYPE_CHECKING`, where they would hide a cycle.
    """

    def __init__(self, package: str, sources: Mapping[str, str]) -> None:
        """Parse; `sources` is module → text."""
        self.package = package
        self.sources = dict(sources)
        self.parsed = {name: ast.parse(text, name) for name, text in sources.items()}

    @classmethod
    def read(cls, folder: Path) -> SourceTree:
        """The package that lies in this folder."""
        return cls(
            folder.name, {_module_name(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*.py")}
        )

    def imports(self, module: str) -> frozenset[str]:
        """The modules of the package that this one imports."""
        inner = (
            name.removeprefix(self.package).removeprefix(".") or "__init__"
            for name in self._imported(module)
            if self._is_ours(name)
        )
        return frozenset(inner)

    def libraries(self, module: str) -> frozenset[str]:
        """The top-level names of what it imports from outside of the package and of Python's own library; and `pickle`."""
        names = {name.partition(".")[0] for name in self._imported(module) if not self._is_ours(name)}
        return frozenset(name for name in names if name not in sys.stdlib_module_names or name == "pickle")

    def _is_ours(self, name: str) -> bool:
        return name == self.package or name.startswith(f"{self.package}.")

    def _imported(self, module: str) -> Iterator[str]:
        for node in ast.walk(self.parsed[module]):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from self._imported_from(node)

    def _imported_from(self, node: ast.ImportFrom) -> Iterator[str]:
        assert node.level == 0, "imports are absolute"
        assert node.module is not None
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole.removeprefix(f"{self.package}.") in self.parsed else node.module


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def room_of(module: str, rooms: Rooms) -> str | None:
    """The room that the module belongs to: of those that cover it, the most exact."""
    covering = [room for room in rooms if covers(room, module)]
    return max(covering, key=len, default=None)


def covers(room: str, module: str) -> bool:
    """The module is in the room."""
    return fnmatchcase(module, room) or fnmatchcase(module, f"{room}.*")


def wrong_imports(tree: SourceTree, layers: Sequence[Rooms]) -> list[str]:
    """Every import that does not lead down the layers, or stay in its room."""
    depth = {room: number for number, layer in enumerate(layers) for room in layer}
    found = [f"{module} is in no layer" for module in tree.parsed if room_of(module, list(depth)) is None]
    for module in tree.parsed:
        for imported in tree.imports(module):
            own, other = room_of(module, list(depth)), room_of(imported, list(depth))
            if own is not None and other is not None and own != other and depth[own] >= depth[other]:
                found.append(f"{module} imports {imported}: {own} may not import {other}")
    return sorted(found)


def cycles(tree: SourceTree) -> list[str]:
    """Each group of modules that import each other, directly or by way of others."""
    reached = {module: _reachable(tree, module) for module in tree.parsed}
    groups = {
        tuple(sorted(other for other in reached if other in reached[module] and module in reached[other])) for module in reached
    }
    return sorted(" ↔ ".join(group) for group in groups if group)


def _reachable(tree: SourceTree, module: str) -> set[str]:
    """The modules that it imports, directly or by way of others; itself only where it is part of a cycle."""
    reached: set[str] = set()
    ahead = list(tree.imports(module))
    while ahead:
        name = ahead.pop()
        if name not in reached and name in tree.parsed:
            reached.add(name)
            ahead += tree.imports(name)
    return reached


def misplaced_libraries(tree: SourceTree, places: Mapping[str, Rooms]) -> list[str]:
    """Every import of a library outside of the rooms that it is for."""
    return sorted(
        f"{module} imports {library}, which is for {', '.join(places.get(library, ['nobody']))}"
        for module in tree.parsed
        for library in tree.libraries(module)
        if not any(covers(room, module) for room in places.get(library, ()))
    )


def too_large(tree: SourceTree, *, module_lines: int, class_lines: int, body_lines: int) -> list[str]:
    """Every module, class and function body beyond its bound. A docstring is not part of a body."""
    found = []
    for module, text in tree.sources.items():
        if (lines := text.count("\n")) > module_lines:
            found.append(f"{module} has {lines} lines")
        for node in ast.walk(tree.parsed[module]):
            if isinstance(node, ast.ClassDef) and (lines := _lines(node, node)) > class_lines:
                found.append(f"{module}.{node.name} has {lines} lines")
            if (
                isinstance(node, ast.FunctionDef)
                and not _is_explained_kernel(node, text)
                and (lines := _body_lines(node)) > body_lines
            ):
                found.append(f"{module}.{node.name} has a body of {lines} lines")
    return sorted(found)


def _lines(first: ast.stmt, last: ast.stmt) -> int:
    return (last.end_lineno or last.lineno) - first.lineno + 1


def _body_lines(function: ast.FunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return _lines(body[0], body[-1]) if body else 0


def _is_kernel(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Name) and node.id in KERNEL_DECORATORS for node in function.decorator_list)


def _is_explained_kernel(function: ast.FunctionDef, text: str) -> bool:
    signature = text.splitlines()[function.lineno - 1 : function.body[0].lineno - 1]
    return _is_kernel(function) and any("splitting it would cost time" in line for line in signature)


def too_deep(tree: SourceTree, levels: int) -> list[str]:
    """Every function, but for kernels, whose statements nest deeper than this."""
    return sorted(
        f"{module}.{node.name} nests {depth} levels"
        for module, parsed in tree.parsed.items()
        for node in ast.walk(parsed)
        if isinstance(node, ast.FunctionDef) and not _is_kernel(node) and (depth := max(map(_depth, node.body))) > levels
    )


def _depth(statement: ast.AST) -> int:
    """How many statements lie around the innermost one, this one included; `elif` is on the level of its `if`."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return 0
    if isinstance(statement, ast.If) and len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        return max(1 + max(map(_depth, statement.body)), _depth(statement.orelse[0]))
    own = isinstance(statement, ast.If | ast.For | ast.While | ast.With | ast.Try | ast.Match)
    return own + max(map(_depth, ast.iter_child_nodes(statement)), default=0)


def unnamed(tree: SourceTree) -> list[str]:
    """Every module whose name says nothing."""
    return sorted(name for name in tree.parsed if FORBIDDEN_NAMES.intersection(name.split(".")))


def undocumented(tree: SourceTree) -> list[str]:
    """Every public module without a docstring."""
    return sorted(
        name
        for name, parsed in tree.parsed.items()
        if ast.get_docstring(parsed) is None
        and (name.startswith("__") or not any(part.startswith("_") for part in name.split(".")))
    )
