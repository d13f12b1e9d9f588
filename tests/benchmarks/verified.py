"""Whether what a contender wrote is right: as many records as it read, and in a sample the bytes, or scikit-learn's values."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro
import numpy as np
from benchmarks.installed import Installation
from confluent_kafka import Consumer, Message, TopicPartition

from streamproc.kafka.options import ConnectionOptions, reader_config
from streamproc.kafka.run_topics import RunTopics
from streamproc.operations.bench.children import ContenderError
from streamproc.operations.bench.measure import Load
from streamproc.operations.bench.rounds import BASE
from streamproc.operations.bench.workload import OUTPUT_SCHEMA_ID, Records

TOLERANCE = 1e-9
SAMPLE_PER_PARTITION = 300
_SECONDS = 30.0
_FRAME = b"\0" + OUTPUT_SCHEMA_ID.to_bytes(4, "big")


class Verifier:
    """Holds the expectations of one workload."""

    def __init__(self, options: ConnectionOptions, installation: Installation, records: Records, *, partitions: int) -> None:
        self._options = options
        self._installation = installation
        self._records = records
        self._partitions = partitions
        self._values = records.values()
        self._keys = records.keys(installation.workload)
        self._schema = fastavro.parse_schema(installation.output_schema)

    def check(self, topics: RunTopics, contender: str, load: Load, *, repeats: bool = False) -> None:
        """Look at what it left behind; `repeats`: members of a group may have repeated some, as at least once allows.

        Raises:
            ContenderError: it is wrong; says how.

        """
        sample, total = self._sample(topics.output)
        expected = load.warm_up + load.records
        is_complete = total >= expected if repeats else total == expected
        problems = [] if is_complete else [f"{total} records came out, of {expected}"]
        if contender == BASE:
            problems += [problem for record in sample if (problem := self._copied_wrong(record))]
        else:
            problems += self._predicted_wrong(sample, repeats=repeats)
        if problems:
            raise ContenderError(f"{contender} is wrong: {problems[0]} ({len(problems)} problems in {len(sample)} records)")

    def _sample(self, topic: str) -> tuple[list[Message], int]:
        """The last records of each partition, and how many there are in all."""
        consumer = Consumer({**reader_config(self._options), "log_level": 0, "enable.partition.eof": False})
        found: list[Message] = []
        try:
            places = [TopicPartition(topic, number) for number in range(self._partitions)]
            ends = [consumer.get_watermark_offsets(place, timeout=_SECONDS)[1] for place in places]
            starts = [max(0, end - SAMPLE_PER_PARTITION) for end in ends]
            consumer.assign([TopicPartition(topic, number, start) for number, start in enumerate(starts)])
            wanted = sum(ends) - sum(starts)
            while len(found) < wanted:
                taken = consumer.consume(wanted - len(found), _SECONDS)
                if not taken:
                    raise ContenderError(f"only {len(found)} of {wanted} records of the sample could be read")
                found += taken
        finally:
            consumer.close()
        return found, sum(ends)

    def _copied_wrong(self, record: Message) -> str | None:
        value = record.value() or b""
        start = self._installation.workload.id_start
        number = self._installation.workload.number_of(value[start : start + 32].decode())
        if value != self._values[number] or record.key() != self._keys[number]:
            return f"record {number} is not the same"
        return None

    def _predicted_wrong(self, sample: Sequence[Message], *, repeats: bool) -> list[str]:
        events = [self._decoded(record) for record in sample]
        problems = []
        places = {(event["prediction"]["source_partition"], event["prediction"]["source_offset"]) for event in events}
        if len(places) < len(events) and not repeats:
            problems.append("source offsets repeat")
        by_tenant: dict[str, list[int]] = {}
        for row, event in enumerate(events):
            by_tenant.setdefault(event["tenant_id"], []).append(row)
        for tenant, rows in by_tenant.items():
            mine = [(events[row], sample[row]) for row in rows]
            problems += self._tenant_wrong(tenant, [event for event, _ in mine], [record.key() for _, record in mine])
        return problems

    def _tenant_wrong(self, tenant: str, events: Sequence[Mapping[str, Any]], keys: Sequence[bytes | None]) -> list[str]:
        workload = self._installation.workload
        model_id, estimator = self._installation.models[tenant]
        numbers = [workload.number_of(event["event_id"]) for event in events]
        rows = self._records.features[numbers]
        probabilities = estimator.predict_proba(rows)
        problems = []
        for event, key, number, features, expected in zip(events, keys, numbers, rows, probabilities, strict=True):
            prediction = event["prediction"]
            scores = np.array([prediction["scores"][str(one)] for one in estimator.classes_])
            if not np.array_equal([event[name] for name in workload.feature_names], features) or key != self._keys[number]:
                problems.append(f"record {number} has other features or another key")
            if prediction["model_id"] != model_id:
                problems.append(f"{tenant} was predicted by {prediction['model_id']}, not by {model_id}")
            if np.abs(scores - expected).max() > TOLERANCE:
                problems.append(f"record {number}: {scores} instead of {expected}")
            if expected[list(estimator.classes_).index(prediction["value"])] < expected.max() - TOLERANCE:
                problems.append(f"record {number}: class {prediction['value']} of {expected}")
        return problems

    def _decoded(self, record: Message) -> dict[str, Any]:
        value = record.value() or b""
        if value[: len(_FRAME)] != _FRAME:
            raise ContenderError(f"a record begins with {value[:5]!r} instead of {_FRAME!r}")
        event = fastavro.schemaless_reader(io.BytesIO(value[len(_FRAME) :]), self._schema, None)
        assert isinstance(event, dict)
        return event
