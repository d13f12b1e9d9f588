"""`predict`: which schema, model and file a call means."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from streamproc.app.models import open_infos_to_read, open_models
from streamproc.app.schemas import input_schemas
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.avro.types import SchemaError, parse_schema
from streamproc.clock import SYSTEM_CLOCK
from streamproc.config import Settings
from streamproc.errors import ConfigurationError, RefusedError
from streamproc.inference.repository import CompilingRepository
from streamproc.operations.predict import AVRO_MAGIC, PredictInput, TenantModel, avro_container, json_lines, predicted
from streamproc.operations.shown import JsonObject

STDIN = Path("-")


def predicted_file(settings: Settings, source: Path, *, tenant: str, schema_file: Path | None) -> Iterator[JsonObject]:
    """Each record of the file as the output topic would hold it, or why it can't be predicted; see `predict.predicted`.

    Raises:
        RefusedError: a record does not fit the schema.
        RecordError: the tenant has no model, or it can't be loaded.
        ConfigurationError: a file can't be read, or no schema is configured that can be used.
        TransientError: the model registry or the store does not answer.

    """
    with _opened(source) as file:
        records = _records(settings, file, tenant, schema_file)
        yield from predicted(
            records,
            _served(settings, tenant),
            tenant_field=settings.records.tenant_field,
            max_record_bytes=settings.avro.max_record_bytes,
            scores=settings.models.scores,
            source=source.name,
            clock=SYSTEM_CLOCK,
        )


def _served(settings: Settings, tenant: str) -> TenantModel:
    with open_infos_to_read(settings) as infos:
        info = infos.get_model_info(tenant)
        models = CompilingRepository(open_models(settings, infos))  # what the stream predicts, to the last bit
        return TenantModel(tenant, info, models.get_model(info.model_id))


def _opened(source: Path) -> io.BufferedReader:
    if source == STDIN:
        return io.BufferedReader(sys.stdin.buffer)  # type: ignore[arg-type]  # a buffer over a buffer reads the same bytes
    try:
        return source.open("rb")
    except OSError as error:
        raise ConfigurationError(f"--input: {source} can't be read ({error.strerror}); name a file of records") from error


def _records(settings: Settings, file: io.BufferedReader, tenant: str, schema_file: Path | None) -> PredictInput:
    tenant_field = settings.records.tenant_field
    if file.peek(len(AVRO_MAGIC)).startswith(AVRO_MAGIC):
        return avro_container(file, tenant_field=tenant_field, tenant=tenant)
    schema = input_schemas(settings)[-1] if schema_file is None else _schema_of(schema_file)
    return json_lines(_lines(file), schema, tenant_field=tenant_field, tenant=tenant)


def _lines(file: BinaryIO) -> Iterator[str]:
    try:
        yield from io.TextIOWrapper(file, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError("the input is neither an Avro container nor UTF-8 text with one JSON object a line") from error


def _schema_of(file: Path) -> RecordSchema:
    try:
        text = file.read_text(encoding="utf-8")
        return record_schema(json.loads(parse_schema(text).text), SchemaIds())
    except OSError as error:
        raise ConfigurationError(f"--schema: {file} can't be read ({error.strerror}); name a file of an Avro schema") from error
    except UnicodeDecodeError as error:
        raise RefusedError(f"--schema: {file} can't be read as UTF-8 text") from error
    except SchemaError as error:
        raise RefusedError(f"--schema: {file} {error}") from error
