"""Writes into each module of kernels a digest of what they are compiled with: `python tests/support/built_with.py`.

Numba's cache looks at a kernel's own file only; a change of a module that it imports must change that file too.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "streamproc"
_LINE = re.compile(r'^BUILT_WITH = "(\w*)"$', re.MULTILINE)


def modules_of_kernels() -> list[Path]:
    """The modules that have such a line."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if _LINE.search(path.read_text())]


def written(module: Path) -> str:
    """The digest that stands in the module."""
    found = _LINE.search(module.read_text())
    return found[1] if found else ""


def digest(module: Path) -> str:
    """Of every module of the package that it imports, directly or not; their own such lines don't count."""
    sources = [_LINE.sub("", path.read_text()) for path in sorted(_imported(module, set()) - {module})]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]


def _imported(module: Path, seen: set[Path]) -> set[Path]:
    if module not in seen:
        seen.add(module)
        for path in _imports(module):
            _imported(path, seen)
    return seen


def _imports(module: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamproc"):
            base = PACKAGE.parent / (node.module or "").replace(".", "/")
            candidates = [base.with_suffix(".py"), *(base / f"{name.name}.py" for name in node.names)]
            yield from (path for path in candidates if path.exists())


if __name__ == "__main__":
    for path in modules_of_kernels():
        path.write_text(_LINE.sub(f'BUILT_WITH = "{digest(path)}"', path.read_text()))
