"""How a model's features are read from records of one schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from streamproc import captures
from streamproc.avro.fields import FieldTypes, field_types
from streamproc.avro.types import AvroSchema

_ELEMENT_NAME: Final = re.compile(r"(.+)\[(\d{1,9})\]", re.ASCII)
NUMBERS: Final = frozenset({captures.IS_INTEGER, captures.IS_DOUBLE, captures.IS_FLOAT, captures.IS_BOOLEAN})
SCALARS: Final = NUMBERS | {captures.IS_STRING, captures.IS_ENUM}


class Form(Enum):
    """What a feature's column is; decided by the schema alone."""

    ABSENT = "absent"
    """The schema lacks the field: float64, all null."""
    INTEGER = "int64"
    BOOLEAN = "bool"
    FLOAT = "float64"
    OBJECT = "object"
    ELEMENT = "element"
    """One element of an array of numbers: float64."""
    VECTOR = "vector"
    """An array of numbers: float64 of shape (n, width)."""
    UNUSABLE = "unusable"
    """No model can read the field's type: no row of this schema has the feature."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one feature is read from records of one schema."""

    name: str
    path: str
    form: Form
    types: FieldTypes
    first: int = 0
    """The first element that is read from an array."""
    width: int = 1
    """How many columns of the model the feature makes."""

    @property
    def plain(self) -> bool:
        """A double that is never null: its column is what was captured."""
        return self.form is Form.FLOAT and self.types.kinds == {captures.IS_DOUBLE} and not self.types.optional


def plan_columns(schema: AvroSchema, names: Sequence[str], n_columns: int | None) -> tuple[Column, ...]:
    """How the features `names` of a model with `n_columns` columns (None: one each) are read.

    What the names leave over of `n_columns` belongs to the vector: the one array named without index, else, where the schema
    lacks it, the first name that it lacks.
    """
    columns = [_column(schema, name) for name in names]
    width = (len(names) if n_columns is None else n_columns) - (len(names) - 1)
    vectors = [place for place, column in enumerate(columns) if column.form is Form.VECTOR]
    if not vectors and width > 1:
        vectors = [place for place, column in enumerate(columns) if column.form is Form.ABSENT][:1]
    for place in vectors:
        column = columns[place]
        form = column.form if len(vectors) == 1 and width >= 1 else Form.UNUSABLE
        columns[place] = Column(column.name, column.path, form, column.types, width=max(width, 1))
    return tuple(columns)


def _column(schema: AvroSchema, name: str) -> Column:
    element = _ELEMENT_NAME.fullmatch(name)
    path = element[1] if element else name
    types = field_types(schema, path)
    if not types.types:
        return Column(name, path, Form.ABSENT, types)
    if element:
        form = Form.ELEMENT if types.kinds == {captures.IS_ARRAY} else Form.UNUSABLE
        return Column(name, path, form, types, first=int(element[2]))
    return Column(name, path, _form(types), types)


def _form(types: FieldTypes) -> Form:
    usable = types.kinds & SCALARS
    if types.kinds == {captures.IS_ARRAY}:
        return Form.VECTOR
    if not usable:
        return Form.UNUSABLE
    if usable - NUMBERS:
        return Form.OBJECT
    if types.kinds == {captures.IS_INTEGER} and not types.optional:
        return Form.INTEGER
    return Form.BOOLEAN if types.kinds == {captures.IS_BOOLEAN} and not types.optional else Form.FLOAT
