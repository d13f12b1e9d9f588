"""Decode → route → predict → encode of one batch. No Kafka in it, and no waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.decoder import DecodedBatch, Decoder
from streamproc.avro.encoder import PredictionEncoder
from streamproc.batches import BatchResult, DeadLetter, FeatureColumns, OutgoingRecords, RecordBatch
from streamproc.clock import Clock, StageClock
from streamproc.errors import Reason, RecordError, Stage
from streamproc.inference.predictor import Deferred, Predicted, PredictionGroup, Predictor, Unpredicted
from streamproc.models.base import Model
from streamproc.models.serving import Route, Served, Unserved, Waiting


class Router(Protocol):
    """What the pipeline needs of `TenantModels`."""

    def route(self, tenant: str) -> Route:
        """The model for the tenant's records of this batch."""


class _TenantRows(NamedTuple):
    """One tenant's sound records of the batch."""

    tenant: str
    rows: NDArray[np.int64]
    """Ascending."""


class _Outcome:
    """What has become of the batch's rows so far."""

    def __init__(self, records: RecordBatch, decoded: DecodedBatch) -> None:
        self.records = records
        self.decoded = decoded
        self.suffixes: dict[int, bytes] = {}
        self.dead: list[DeadLetter] = []
        self.waiting: dict[str, NDArray[np.int64]] = {}

    def kill(self, row: int, error: RecordError, tenant: str | None, exception: str | None = None) -> None:
        """The record becomes a dead letter."""
        name = exception or type(error).__name__
        self.dead.append(DeadLetter(row, error.reason, error.stage, name, error.message, tenant, error.model_id))


class Pipeline:
    """Turns batches into results. Owns nothing between two batches."""

    def __init__(
        self,
        decoder: Decoder,
        router: Router,
        predictor: Predictor,
        encoder: PredictionEncoder,
        *,
        output_topic: str,
        max_seconds: float,
        stages: StageClock,
        clock: Clock,
    ) -> None:
        self._decoder = decoder
        self._router = router
        self._predictor = predictor
        self._encoder = encoder
        self._output_topic = output_topic
        self._max_seconds = max_seconds
        self._stages = stages
        self._clock = clock

    def process(self, records: RecordBatch) -> BatchResult:
        """Take each record to its end, or to the point where it has to wait.

        Raises:
            TransientError: the source of schemas does not answer; nothing has happened to the batch.

        """
        deadline = self._clock.monotonic() + self._max_seconds
        with self._stages.measure(Stage.DECODE):
            decoded = self._decoder.decode(records)
        outcome = _Outcome(records, decoded)
        for row in np.flatnonzero(decoded.status).tolist():
            outcome.kill(row, decoded.error(row), decoded.named_tenant(row))
        with self._stages.measure(Stage.ROUTE):
            served = list(self._route(outcome))
        self._predict_all(outcome, served, deadline)
        with self._stages.measure(Stage.ENCODE):
            return self._assemble(outcome)

    def _route(self, outcome: _Outcome) -> Iterator[tuple[_TenantRows, Served]]:
        for tenant_rows in _by_tenant(outcome.decoded):
            match self._router.route(tenant_rows.tenant):
                case Served() as served:
                    yield tenant_rows, served
                case Unserved(error):
                    for row in tenant_rows.rows.tolist():
                        outcome.kill(row, error, tenant_rows.tenant)
                case Waiting():
                    outcome.waiting[tenant_rows.tenant] = tenant_rows.rows

    def _predict_all(self, outcome: _Outcome, served: Sequence[tuple[_TenantRows, Served]], deadline: float) -> None:
        """Predict tenant by tenant. Those for whom no time is left get their turn, in order, in the next pass."""
        for number, (tenant_rows, route) in enumerate(served):
            if number and self._clock.monotonic() > deadline:
                outcome.waiting[tenant_rows.tenant] = tenant_rows.rows
                continue
            predicted = self._predict(outcome, tenant_rows, route, deadline)
            with self._stages.measure(Stage.ENCODE):
                for part in predicted:
                    self._encode(outcome, part)

    def _predict(self, outcome: _Outcome, tenant_rows: _TenantRows, route: Served, deadline: float) -> list[Predicted]:
        for group in self._groups(outcome, tenant_rows, route):
            with self._stages.measure(Stage.PREDICT):
                self._predictor.submit(group, deadline)
        predicted: list[Predicted] = []
        deferred: list[int] = []
        for result in self._predictor.completed():
            match result:
                case Predicted():
                    predicted.append(result)
                case Unpredicted(group, row, reason, exception, text):
                    error = RecordError(reason, Stage.PREDICT, text, model_id=group.info.model_id)
                    outcome.kill(row, error, group.tenant, exception)
                case Deferred(_, rows):
                    deferred += rows.tolist()
        return _before_deferred(outcome, tenant_rows, predicted, deferred) if deferred else predicted

    def _groups(self, outcome: _Outcome, tenant_rows: _TenantRows, route: Served) -> Iterator[PredictionGroup]:
        """The tenant's records by writer schema, which alone decides the features' dtypes. Those with unsound features die."""
        metadata = route.model.metadata
        schemas = outcome.decoded.schema[tenant_rows.rows]
        for schema in np.unique(schemas).tolist():
            rows = tenant_rows.rows[schemas == schema]
            with self._stages.measure(Stage.DECODE):
                features = outcome.decoded.features(schema, rows, metadata.feature_names, metadata.n_columns)
            errors = _feature_errors(features, route.model)
            for position, error in errors.items():
                error.model_id = route.info.model_id
                outcome.kill(int(rows[position]), error, tenant_rows.tenant)
            sound = np.setdiff1d(np.arange(len(rows)), list(errors)) if errors else None
            if sound is None:
                yield PredictionGroup(tenant_rows.tenant, route.info, route.model, rows, features)
            elif len(sound):
                kept = _take_features(features, sound)
                yield PredictionGroup(tenant_rows.tenant, route.info, route.model, rows[sound], kept)

    def _encode(self, outcome: _Outcome, part: Predicted) -> None:
        records, info, metadata = outcome.records, part.group.info, part.group.model.metadata
        sources = [records.partition_id(row) for row in part.rows.tolist()]
        encoded = self._encoder.encode(
            part.values,
            part.scores,
            metadata.classes,
            model_id=info.model_id,
            variant=info.variant,
            predicted_at_ms=int(self._clock.wall() * 1000),
            topics=[source.topic for source in sources],
            partitions=np.array([source.partition for source in sources], np.int32),
            offsets=records.offsets[part.rows],
        )
        text = "the prediction holds NaN, infinity or a value that the output schema can't; the model returned what it must not"
        for position, row in enumerate(part.rows.tolist()):
            if encoded.status[position]:
                reason = Reason.from_code(int(encoded.status[position]))
                outcome.kill(row, RecordError(reason, Stage.ENCODE, text, model_id=info.model_id), part.group.tenant)
            else:
                outcome.suffixes[row] = encoded.suffixes[position]

    def _assemble(self, outcome: _Outcome) -> BatchResult:
        records, decoded = outcome.records, outcome.decoded
        rows = sorted(outcome.suffixes)
        predicted = np.array(rows, np.int64)
        tenant = decoded.tenant[predicted].tolist()
        keys = [records.keys[row] for row in rows]
        event_times = decoded.event_time[predicted]
        counts = np.bincount(decoded.tenant[predicted], minlength=len(decoded.tenants)).tolist()
        return BatchResult(
            records=records,
            outputs=OutgoingRecords(
                topic=self._output_topic,
                values=list(decoded.output_values(predicted, [outcome.suffixes[row] for row in rows])),
                keys=[decoded.tenants[t].encode() if key is None else key for t, key in zip(tenant, keys, strict=True)],
                headers=decoded.output_headers(predicted),
                timestamps=records.timestamps[predicted],
            ),
            predicted=predicted,
            event_times=np.where(event_times >= 0, event_times, records.timestamps[predicted]),
            dead=tuple(sorted(outcome.dead, key=lambda dead: dead.row)),
            parked={tenant: records.take(rows) for tenant, rows in outcome.waiting.items()},
            tenants={tenant: count for tenant, count in zip(decoded.tenants, counts, strict=True) if count},
        )


def _by_tenant(decoded: DecodedBatch) -> Iterator[_TenantRows]:
    """The sound rows of each tenant, tenants in the order of `decoded.tenants`."""
    sound = np.flatnonzero(decoded.status == 0)
    if not len(sound):
        return
    order = sound[np.argsort(decoded.tenant[sound], kind="stable")]
    tenants = decoded.tenant[order]
    starts = np.flatnonzero(np.r_[True, tenants[1:] != tenants[:-1]])
    for start, rows in zip(starts.tolist(), np.split(order, starts[1:]), strict=True):
        yield _TenantRows(decoded.tenants[int(tenants[start])], rows)


def _before_deferred(
    outcome: _Outcome, tenant_rows: _TenantRows, predicted: Sequence[Predicted], deferred: Sequence[int]
) -> list[Predicted]:
    """The predictions that precede the first deferred row. All behind it wait too: a tenant's records stay in order."""
    cut = min(deferred)
    dead = {letter.row for letter in outcome.dead}
    outcome.waiting[tenant_rows.tenant] = np.array(
        [r for r in tenant_rows.rows.tolist() if r >= cut and r not in dead], np.int64
    )
    return [_rows_before(part, cut) for part in predicted if part.rows[0] < cut]


def _rows_before(part: Predicted, cut: int) -> Predicted:
    end = int(np.searchsorted(part.rows, cut))
    return Predicted(part.group, part.rows[:end], part.values[:end], None if part.scores is None else part.scores[:end])


def _feature_errors(features: FeatureColumns, model: Model) -> Mapping[int, RecordError]:
    """Position → why the record's features can't be used by this model."""
    errors: dict[int, RecordError] = {}
    for index, name in enumerate(features.names):
        if name in model.null_features:
            continue
        for position in np.flatnonzero(features.null[:, index]).tolist():
            text = f"feature {name!r} is null or absent, and the tenant's model needs it; send it, or train with missing values"
            errors.setdefault(position, RecordError(Reason.FEATURE_MISSING, Stage.PREDICT, text))
        for position in np.flatnonzero(_is_nan(features.arrays[index])).tolist():
            text = f"feature {name!r} is NaN, which the tenant's model does not take"
            errors.setdefault(position, RecordError(Reason.FEATURE_INVALID, Stage.PREDICT, text))
    for position in np.flatnonzero(features.status).tolist():
        reason = Reason.from_code(int(features.status[position]))
        text = f"a feature of {', '.join(features.names[:5])} has a type or content that its model can't take"
        errors[position] = RecordError(reason, Stage.DECODE, text)
    return errors


def _is_nan(array: NDArray[np.generic]) -> NDArray[np.bool_]:
    """(n,): the row holds a NaN."""
    if array.dtype.kind != "f":
        return np.zeros(len(array), np.bool_)
    nan: NDArray[np.bool_] = np.isnan(array.astype(np.float64, copy=False))
    return nan if nan.ndim == 1 else np.logical_or.reduce(nan, axis=1)


def _take_features(features: FeatureColumns, positions: NDArray[np.int64]) -> FeatureColumns:
    return FeatureColumns(
        names=features.names,
        arrays=tuple(array[positions] for array in features.arrays),
        null=features.null[positions],
        status=features.status[positions],
    )
