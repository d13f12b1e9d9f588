"""`predict`: the pipeline of `run` over a file, without Kafka."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any, BinaryIO

import fastavro
import numpy as np
from numpy.typing import NDArray

from streamproc import captures
from streamproc.avro.decoder import Decoder
from streamproc.avro.display import record_as_json
from streamproc.avro.encoder import PredictionEncoder, encode_string
from streamproc.avro.fields import field_types
from streamproc.avro.from_json import json_to_avro
from streamproc.avro.outputs import OutputWriter
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.batches import PartitionId, RecordBatch, bounds_of
from streamproc.clock import Clock, StageClock
from streamproc.errors import Reason, RecordError, RefusedError, Stage
from streamproc.inference.predictor import LoopPredictor
from streamproc.models.base import Model, ModelInfo, Variant
from streamproc.models.routes import NO_SLOT
from streamproc.models.serving import Route, Served, Unserved
from streamproc.operations.shown import JsonObject
from streamproc.pipeline import Pipeline
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.native import NativePath

_BATCH_RECORDS = 1000

AVRO_MAGIC = b"Obj\x01"
"""What an Avro object container file begins with."""


@dataclass(frozen=True, slots=True)
class PredictInput:
    """Records of one schema."""

    schema: RecordSchema
    bodies: Iterable[bytes]
    """Avro without a frame, each with its tenant."""


@dataclass(frozen=True, slots=True)
class TenantModel:
    """Whose records are predicted, and by what."""

    tenant: str
    info: ModelInfo
    model: Model


def json_lines(lines: Iterable[str], schema: RecordSchema, *, tenant_field: str, tenant: str) -> PredictInput:
    """Records from JSON, one object a line; a line that names no tenant is the tenant's. Empty lines are skipped.

    Raises (while the bodies are read):
        RefusedError: a line is no record of `schema`; names its number.

    """
    return PredictInput(schema, _encoded(lines, schema, tenant_field, _tenant_value(schema, tenant_field, tenant)))


def avro_container(file: BinaryIO, *, tenant_field: str, tenant: str) -> PredictInput:
    """Records from an Avro object container file, which holds their schema. One without the tenant's field gets it.

    Raises:
        RefusedError: it is no such file (also while the bodies are read), or the tenant can't be added.
        ConfigurationError: no output schema can be derived from its schema.

    """
    try:
        blocks = fastavro.block_reader(file)
        definition = blocks.writer_schema
    except (ValueError, EOFError, KeyError, IndexError) as error:
        raise RefusedError("the input is no Avro object container file that can be read") from error
    if not isinstance(definition, dict) or definition.get("type") != "record":
        raise RefusedError("the input's Avro schema is not a record")
    bodies = _bodies(blocks, definition)
    schema = record_schema(definition, SchemaIds())
    if field_types(schema.writer, tenant_field).types:
        return PredictInput(schema, bodies)
    if "." in tenant_field:
        raise RefusedError(f"the input's schema has no field {tenant_field!r} (records.tenant_field)")
    # Appending a field to a record's schema and its bytes to the record's: nothing is encoded again.
    fields = [*definition["fields"], {"name": tenant_field, "type": "string"}]
    with_tenant = record_schema({**definition, "fields": fields}, SchemaIds())
    suffix = encode_string(tenant)
    return PredictInput(with_tenant, (body + suffix for body in bodies))


def predicted(
    records: PredictInput,
    served: TenantModel,
    *,
    tenant_field: str,
    max_record_bytes: int,
    scores: bool | int,
    source: str,
    clock: Clock,
) -> Iterator[JsonObject]:
    """Each record, in order, as the output topic would hold it; or `row` and `error` with reason and message.

    Args:
        records: what to predict.
        served: by what. Records of another tenant are errors.
        tenant_field: the setting records.tenant_field.
        max_record_bytes: the setting avro.max_record_bytes.
        scores: the setting models.scores.
        source: what stands as the source's topic.
        clock: when the prediction was made.

    """
    stages, writer = StageClock(clock), OutputWriter(scores)
    fused = FusedModels(writer)
    pipeline = Pipeline(
        Decoder(
            _OneSchema(records.schema),
            framing="raw",
            tenant_field=tenant_field,
            event_time_field=None,
            max_record_bytes=max_record_bytes,
        ),
        _OneTenant(served, fused),
        fused,
        NativePath(LoopPredictor(monotonic=clock.monotonic), PredictionEncoder(scores), stages=stages, clock=clock),
        writer,
        output_topic="",
        max_seconds=inf,
        stages=stages,
        clock=clock,
    )
    bodies = iter(records.bodies)
    first = 0
    while batch := list(islice(bodies, _BATCH_RECORDS)):
        yield from _rows(pipeline, _record_batch(batch, first, source), records.schema, first)
        first += len(batch)


class _OneTenant:
    """A `Router` with one route."""

    def __init__(self, served: TenantModel, fused: FusedModels) -> None:
        self._served = served
        self._slot = fused.install(served.info.model_id, served.model)
        self._variant = list(Variant).index(served.info.variant)

    def begin_batch(self, generation: int, tenants: int) -> None:
        """Numbers are not kept."""

    def slots(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.full(len(numbers), NO_SLOT, np.int32)

    def variants(self, numbers: NDArray[np.int32]) -> NDArray[np.uint8]:
        return np.full(len(numbers), self._variant, np.uint8)

    def used(self, slots: NDArray[np.int32], tenants: int) -> None:
        """Nothing is dropped."""

    def route(self, tenant: str, number: int) -> Route:
        del number
        if tenant == self._served.tenant:
            return Served(self._served.info, self._served.model, self._slot)
        text = f"the record names another tenant than --tenant {self._served.tenant}"
        return Unserved(RecordError(Reason.TENANT_NOT_ALLOWED, Stage.ROUTE, text))


class _OneSchema:
    """A `SchemaSource` for unframed records."""

    def __init__(self, schema: RecordSchema) -> None:
        self._schema = schema

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        del topic
        raise _unknown(str(schema_id))

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        del topic
        raise _unknown(guid.hex())

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        raise _unknown(fingerprint.hex())

    def only(self) -> RecordSchema:
        return self._schema


def _unknown(name: str) -> RecordError:
    return RecordError(Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"the input names no schemas, and schema {name} was asked for")


def _rows(pipeline: Pipeline, batch: RecordBatch, schema: RecordSchema, first: int) -> Iterator[JsonObject]:
    result = pipeline.process(batch)
    rows: dict[int, JsonObject] = {}
    for row, value in zip(result.predicted.tolist(), result.outputs.values, strict=True):
        rows[row] = record_as_json(schema.output, value or b"")
    for letter in result.dead:
        error = {"reason": letter.reason.value, "stage": letter.stage.value, "message": letter.message}
        rows[letter.row] = {"row": first + letter.row, "error": error}
    yield from (rows[row] for row in range(len(batch)))


def _record_batch(bodies: Sequence[bytes], first: int, source: str) -> RecordBatch:
    n = len(bodies)
    return RecordBatch(
        payload=b"".join(bodies),
        bounds=bounds_of(bodies),
        null=np.zeros(n, np.bool_),
        keys=[None] * n,
        headers=[None] * n,
        timestamps=np.full(n, -1, np.int64),
        partitions=(PartitionId(source, 0),),
        partition=np.zeros(n, np.int32),
        offsets=np.arange(first, first + n, dtype=np.int64),
    )


def _encoded(lines: Iterable[str], schema: RecordSchema, tenant_field: str, tenant: str | int) -> Iterator[bytes]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield json_to_avro(schema.writer, _with_tenant(line, tenant_field, tenant))
        except RefusedError as error:
            raise RefusedError(f"line {number}: {error}") from error


def _tenant_value(schema: RecordSchema, tenant_field: str, tenant: str) -> str | int:
    """The tenant as the schema's type has it: a number where it must be one."""
    kinds = field_types(schema.writer, tenant_field).kinds
    return int(tenant) if kinds == {captures.IS_INTEGER} and tenant.removeprefix("-").isdecimal() else tenant


def _with_tenant(line: str, tenant_field: str, tenant: str | int) -> str:
    """The line with the tenant in its place, unless it names one."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return line  # what is wrong with it `json_to_avro` says
    *parents, name = tenant_field.split(".")
    inner: Any = record  # whatever the line holds
    for parent in parents:
        inner = inner.get(parent) if isinstance(inner, dict) else None
    if isinstance(inner, dict) and inner.get(name) is None:
        inner[name] = tenant
        return json.dumps(record)
    return line


def _bodies(blocks: fastavro.block_reader, definition: dict[str, Any]) -> Iterator[bytes]:  # Avro's own JSON
    """The records' own bytes."""
    parsed = fastavro.parse_schema(definition)
    try:
        for block in blocks:
            content = io.BytesIO(block.bytes_.getvalue())  # type: ignore[attr-defined]  # the stubs lack it
            for _ in range(block.num_records):
                start = content.tell()
                fastavro.schemaless_reader(content, parsed, None)
                yield content.getvalue()[start : content.tell()]
    except (ValueError, EOFError, KeyError, IndexError, OverflowError) as error:
        raise RefusedError("the input's Avro container is damaged") from error
