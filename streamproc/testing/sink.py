"""A producer to the broker in memory."""

from __future__ import annotations

from collections.abc import Sequence

from streamproc.batches import OutgoingRecords
from streamproc.ports import DeliveryRefusedError, Refused
from streamproc.testing.broker import InMemoryBroker
from streamproc.testing.logs import record_bytes


class InMemorySink:
    """Implements `streamproc.ports.RecordSink` over an `InMemoryBroker`. Records are delivered by `flush`.

    Args:
        broker: where to.
        max_record_bytes: larger records are refused by `send`, as a client does it.

    """

    def __init__(self, broker: InMemoryBroker, *, max_record_bytes: int | None = None) -> None:
        self._broker = broker
        self._max_record_bytes = max_record_bytes
        self._queue: list[OutgoingRecords] = []

    def send(self, records: OutgoingRecords) -> Sequence[Refused]:
        """Queue the records; see `RecordSink.send`."""
        limit = self._max_record_bytes
        sizes = map(record_bytes, records.keys, records.values, records.headers)
        refused = [row for row, size in enumerate(sizes) if limit is not None and size > limit]
        self._queue.append(_without(records, set(refused)) if refused else records)
        text = f"the record for topic {records.topic!r} is larger than this client's {limit} bytes"
        return [Refused(row, text) for row in refused]

    def flush(self, timeout: float) -> None:  # noqa: ARG002  # the port's; memory needs no time
        """Deliver what is queued; see `RecordSink.flush`."""
        queue, self._queue = self._queue, []
        refused = None
        self._broker.ask([records.topic for records in queue])
        for records in queue:
            for row in range(len(records)):
                refused = self._deliver(records, row) or refused
        if refused:
            raise DeliveryRefusedError(
                f"the broker refused a record for topic {refused!r} for its size: raise max_record_bytes"
            )

    def close(self) -> None:
        """Give up what is undelivered."""
        self._queue = []

    def _deliver(self, records: OutgoingRecords, row: int) -> str | None:
        """Append one record; returns the topic where it is refused."""
        key, value, headers = records.keys[row], records.values[row], records.headers[row]
        if not self._broker.accepts(records.topic, key, value, headers):
            return records.topic
        timestamp = int(records.timestamps[row])
        self._broker.produce(records.topic, value, key, headers, timestamp=timestamp if timestamp >= 0 else None)
        return None


def _without(records: OutgoingRecords, refused: set[int]) -> OutgoingRecords:
    rows = [row for row in range(len(records)) if row not in refused]
    return OutgoingRecords(
        topic=records.topic,
        values=[records.values[row] for row in rows],
        keys=[records.keys[row] for row in rows],
        headers=[records.headers[row] for row in rows],
        timestamps=records.timestamps[rows],
    )
