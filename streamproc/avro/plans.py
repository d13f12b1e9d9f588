"""What is known of one schema between batches: which fields models asked for, and how each model's features are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streamproc.avro.columns import Column, plan_columns
from streamproc.avro.fields import field_types, time_divisor
from streamproc.avro.program import Program, compile_program
from streamproc.avro.schemas import RecordSchema

MAX_PATHS: Final = 2048
"""How many of the models' fields are captured on the first walk; each takes 9 bytes a record."""
_MAX_PLANS: Final = 8192


class SchemaPlans:
    """Passive. Fields above the bound are forgotten, least recently used first: rows that need them are walked twice."""

    def __init__(
        self, schema: RecordSchema, *, tenant_field: str, event_time_field: str | None, max_paths: int = MAX_PATHS
    ) -> None:
        self.schema = schema
        self.time_divisor = time_divisor(field_types(schema.writer, event_time_field)) if event_time_field else None
        self._always = (tenant_field,) if event_time_field is None else (tenant_field, event_time_field)
        self._max_paths = max_paths
        self._wanted: dict[str, None] = {}
        """In the order of last use."""
        self._program: Program | None = None
        self._columns: dict[tuple[tuple[str, ...], int | None], tuple[Column, ...]] = {}

    @property
    def program(self) -> Program:
        """Captures what is wanted now; compiled anew when that has changed."""
        if self._program is None:
            self._program = compile_program(self.schema.writer, (*self._always, *self._wanted))
        return self._program

    def columns(self, names: tuple[str, ...], n_columns: int | None) -> tuple[Column, ...]:
        """How these features are read; they are wanted from the next batch on."""
        columns = self._columns.get((names, n_columns))
        if columns is None:
            if len(self._columns) >= _MAX_PLANS:
                self._columns.clear()
            columns = self._columns[names, n_columns] = plan_columns(self.schema.writer, names, n_columns)
        self._want(column.path for column in columns)
        return columns

    def program_of(self, columns: Iterable[Column]) -> Program:
        """A program that captures just what these read."""
        return compile_program(self.schema.writer, (column.path for column in columns))

    def _want(self, paths: Iterable[str]) -> None:
        for path in paths:
            if path in self._wanted:
                del self._wanted[path]
            else:
                self._program = None
            self._wanted[path] = None
        while len(self._wanted) > self._max_paths:
            del self._wanted[next(iter(self._wanted))]
            self._program = None
