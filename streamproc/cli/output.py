"""Data to stdout, messages to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from streamproc.cli.exits import OutputClosedError

Cell = str | int | float | bool | None


def line(text: str) -> None:
    """One line of data; at once, so that a reader of a pipe sees it."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputClosedError from error


def json_line(value: object) -> None:
    """One JSON value on one line."""
    line(json.dumps(value, ensure_ascii=False, allow_nan=False))


def json_text(value: object) -> None:
    """One JSON value, indented for people."""
    line(json.dumps(value, ensure_ascii=False, indent=2))


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Columns as wide as their content; no borders, so that `cut` and `awk` read it too."""
    texts = [list(headings), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fields(cells: Sequence[Cell]) -> None:
    """One line of cells."""
    line("  ".join(map(_text, cells)))


def rows(headings: Sequence[str], cells: Sequence[Sequence[Cell]], *, json: bool) -> None:
    """A table, or the same rows as JSON objects."""
    if json:
        json_text(rows_as_json(headings, cells))
    else:
        table(headings, cells)


def rows_as_json(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Mapping[str, Cell]]:
    """The rows of a table as objects."""
    return [dict(zip(headings, row, strict=True)) for row in rows]


def message(text: str) -> None:
    """Something about the work, not its result."""
    sys.stderr.write(f"{text}\n")


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    text = str(cell).lower() if isinstance(cell, bool) else str(cell)
    # A tenant may be named anything: no control character of it reaches the terminal.
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
