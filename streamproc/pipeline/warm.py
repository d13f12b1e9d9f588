"""Runs every kernel once, so that none is compiled, or read from the disk, while records wait."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from streamproc.avro.decoder import Decoder
from streamproc.avro.encoder import encode_string
from streamproc.avro.outputs import OutputWriter
from streamproc.avro.schemas import RecordSchema, SchemaIds, record_schema
from streamproc.batches import PartitionId, RecordBatch, bounds_of
from streamproc.inference.compiling.examples import NUMBER, TEXT, estimators
from streamproc.inference.repository import compiled
from streamproc.models.sklearn import SklearnModel
from streamproc.pipeline.fused import FusedModels
from streamproc.pipeline.outcome import Outcome

_VECTOR: Final = "vector[0]"
_SCHEMA: Final = {
    "type": "record",
    "name": "Example",
    "fields": [
        {"name": "tenant", "type": "string"},
        {"name": NUMBER, "type": "double"},
        {"name": TEXT, "type": "string"},
        {"name": "vector", "type": {"type": "array", "items": "double"}},
    ],
}
_RECORDS: Final = 3


class _OneSchema:
    """A source of one schema, whatever a frame says."""

    def __init__(self) -> None:
        self._schema = record_schema(_SCHEMA, SchemaIds(id=1, output_id=2))

    def by_id(self, schema_id: int, topic: str) -> RecordSchema:
        del schema_id, topic
        return self._schema

    def by_guid(self, guid: bytes, topic: str) -> RecordSchema:
        del guid, topic
        return self._schema

    def by_fingerprint(self, fingerprint: bytes) -> RecordSchema:
        del fingerprint
        return self._schema

    def only(self) -> RecordSchema:
        return self._schema


def warm_kernels() -> int:
    """Take some records through all of it, with a model of each kind; returns how many outputs came of it."""
    decoder = Decoder(_OneSchema(), framing="confluent", tenant_field="tenant", event_time_field=None, max_record_bytes=1000)
    writer = OutputWriter(scores=True)
    fused = FusedModels(writer)
    batch = _batch()
    decoder.decode(batch).features(0, np.arange(_RECORDS), (NUMBER, TEXT, _VECTOR))  # wanted from the next batch on
    written = 0
    for number, estimator in enumerate(estimators()):
        slot = fused.install(f"example@{number}", compiled(SklearnModel(estimator)))
        decoded = decoder.decode(batch)
        outcome = Outcome(batch, decoded)
        fused.predict(outcome, np.full(_RECORDS, slot, np.int32), lambda: True)
        made = writer.write(batch, decoded, outcome.predictions, np.zeros(_RECORDS, np.uint8), {}, 0)
        written += len(made.values)
        fused.free(slot)
    return written


def _batch() -> RecordBatch:
    number = struct.pack("<d", 0.5)
    bodies = [encode_string(tenant) + number + encode_string("a") + b"\x02" + number + b"\x00" for tenant in ("a", "b", "a")]
    values = [b"\x00\x00\x00\x00\x01" + body for body in bodies]
    return RecordBatch(
        payload=b"".join(values),
        bounds=bounds_of(values),
        null=np.zeros(_RECORDS, np.bool_),
        keys=[None] * _RECORDS,
        headers=[None] * _RECORDS,
        timestamps=np.zeros(_RECORDS, np.int64),
        partitions=(PartitionId("example", 0),),
        partition=np.zeros(_RECORDS, np.int32),
        offsets=np.arange(_RECORDS, dtype=np.int64),
    )
