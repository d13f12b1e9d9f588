"""What was sent and what came back: decides whether in = out."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import fastavro
import numpy as np
from numpy.typing import NDArray

from streamproc.demo.scenario import EVENT_ID

INPUT_SCHEMA_ID: Final = 1
OUTPUT_SCHEMA_ID: Final = 2
_FRAME: Final = struct.Struct(">bI")

Record = dict[str, Any]  # a decoded Avro record


class EventCodec:
    """Frames and encodes events, decodes what comes back. Framing `confluent`: byte 0 and the schema's id."""

    def __init__(self, schema: Mapping[str, Any], output_schema: Mapping[str, Any]) -> None:  # JSON objects
        self._input = fastavro.parse_schema(dict(schema))
        self._output = fastavro.parse_schema(dict(output_schema))

    def encode(self, event: Record) -> bytes:
        """The event as a record value."""
        buffer = BytesIO()
        buffer.write(_FRAME.pack(0, INPUT_SCHEMA_ID))
        fastavro.schemaless_writer(buffer, self._input, event)
        return buffer.getvalue()

    def decode(self, value: bytes) -> Record:
        """The event in a dead letter, or the event with its prediction.

        Raises:
            ValueError: the frame names neither the input's schema nor the output's.

        """
        marker, schema_id = _FRAME.unpack_from(value)
        schema = {INPUT_SCHEMA_ID: self._input, OUTPUT_SCHEMA_ID: self._output}.get(schema_id)
        if marker != 0 or schema is None:
            raise ValueError(f"expected a record of schema {INPUT_SCHEMA_ID} or {OUTPUT_SCHEMA_ID}, found {schema_id}")
        buffer = BytesIO(value)
        buffer.seek(_FRAME.size)
        record = fastavro.schemaless_reader(buffer, schema, None)
        assert isinstance(record, dict)  # noqa: S101 - both schemas are records
        return record


@dataclass(frozen=True, slots=True)
class Balance:
    """What went in against what came out, counted by the input record's partition and offset."""

    sent: int
    predicted: int
    dead_letters: Mapping[str, int]
    """Reason → records."""
    missing: int
    """Events that neither came out nor became a dead letter."""
    repeated: int
    """Outputs and dead letters beyond the first of their input record."""

    @property
    def holds(self) -> bool:
        """In = out: every event came out exactly once."""
        return not self.missing and not self.repeated and self.sent == self.predicted + sum(self.dead_letters.values())


class Ledger:
    """Notes what was sent and what came back, by event id and by the input record's place. Passive."""

    def __init__(self, events: int) -> None:
        self.sent = 0
        self.values: list[Any] = [None] * events  # of each model's output kind
        """Event → what its model predicted; None: nothing came back."""
        self.model_ids: list[str | None] = [None] * events
        """Event → the model that predicted it."""
        self.variants: Counter[str] = Counter()
        self.examples: dict[str, Record] = {}
        """Tenant → its first output."""
        self._answered = np.zeros(events, np.bool_)
        self._sources: set[tuple[int, int]] = set()
        self._reasons: Counter[str] = Counter()
        self._predicted = 0
        self._repeated = 0

    def predicted(self, record: Record, tenant: str) -> None:
        """Note one output record, decoded."""
        prediction = record["prediction"]
        if not self._is_first(record[EVENT_ID], prediction["source_partition"], prediction["source_offset"]):
            return
        self._predicted += 1
        self.values[record[EVENT_ID]] = prediction["value"]
        self.model_ids[record[EVENT_ID]] = prediction["model_id"]
        self.variants[prediction["variant"]] += 1
        self.examples.setdefault(tenant, record)

    def died(self, record: Record, *, reason: str, partition: int, offset: int) -> None:
        """Note one dead letter: its event decoded, and what its headers say."""
        if self._is_first(record[EVENT_ID], partition, offset):
            self._reasons[reason] += 1

    def _is_first(self, event: int, partition: int, offset: int) -> bool:
        source = (partition, offset)
        if source in self._sources or self._answered[event]:
            self._repeated += 1
            return False
        self._sources.add(source)
        self._answered[event] = True
        return True

    @property
    def answered(self) -> int:
        """Events that came back, either way."""
        return len(self._sources)

    @property
    def predicted_events(self) -> NDArray[np.int64]:
        """The ids of the events that have a prediction, ascending."""
        return np.array([event for event, model in enumerate(self.model_ids) if model is not None], np.int64)

    def balance(self) -> Balance:
        """The account as of now."""
        return Balance(self.sent, self._predicted, dict(self._reasons), self.sent - self.answered, self._repeated)
