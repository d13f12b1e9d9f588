"""What a model wants of a schema, judged before the first record: by `models publish`, `check` and when a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from streamproc import captures
from streamproc.avro.columns import Column, Form, plan_columns
from streamproc.avro.fields import field_types, time_divisor
from streamproc.avro.schemas import RecordSchema

_READABLE = "number, boolean, enum, string, an array of numbers, or one of these or null"
_TENANT_KINDS = frozenset({captures.IS_STRING, captures.IS_INTEGER, captures.IS_ENUM, captures.IS_UUID})


def feature_problems(schema: RecordSchema, names: Sequence[str], n_columns: int | None = None) -> list[str]:
    """Why records of `schema` can't give a model the features `names`; empty where they can.

    An absent field is a problem here, though at run time it is null: most models then refuse every record.
    """
    columns = plan_columns(schema.writer, names, n_columns)
    problems = [problem for column in columns if (problem := _column_problem(schema, column))]
    width = sum(column.width for column in columns)
    if n_columns is not None and not problems and width != n_columns:
        problems.append(f"the model has {n_columns} columns, and its features make {width} of schema {schema.name}")
    return problems


def _column_problem(schema: RecordSchema, column: Column) -> str | None:
    if column.form is Form.ABSENT:
        return f"feature {column.name!r} is absent from schema {schema.name}"
    if column.form is not Form.UNUSABLE:
        return None
    if column.types.kinds == {captures.IS_ARRAY}:
        return (
            f"feature {column.name!r} is an array, and only one feature can be a whole array: name its elements, as 'name[0]'"
        )
    expected = "an array of numbers" if column.name != column.path else _READABLE
    return f"feature {column.name!r} has type {column.types.described} in schema {schema.name}, expected {expected}"


def tenant_problems(schema: RecordSchema, path: str) -> list[str]:
    """Why no record of `schema` can name its tenant in the field `path`; empty where some can."""
    types = field_types(schema.writer, path)
    if not types.types:
        return [f"records.tenant_field: {path!r} is absent from schema {schema.name}"]
    if types.kinds & _TENANT_KINDS:
        return []
    return [
        (
            f"records.tenant_field: {path!r} has type {types.described} in schema {schema.name}, "
            "expected string, enum, uuid, int or long"
        )
    ]


def event_time_problems(schema: RecordSchema, path: str) -> list[str]:
    """Why latency can't be measured from the field `path` of `schema`; empty where it can."""
    types = field_types(schema.writer, path)
    if not types.types:
        return [f"records.event_time_field: {path!r} is absent from schema {schema.name}"]
    if time_divisor(types) is not None:
        return []
    return [
        (
            f"records.event_time_field: {path!r} has type {types.described} in schema {schema.name}, "
            "expected a timestamp, or a long of milliseconds"
        )
    ]
