"""Predicts tenant by tenant with models that no kernel stands for, or whose columns no kernel can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.encoder import PredictionEncoder
from streamproc.batches import FeatureColumns
from streamproc.clock import Clock, StageClock
from streamproc.errors import Reason, RecordError, Stage
from streamproc.inference.predictor import Deferred, Predicted, PredictionGroup, Predictor, Unpredicted
from streamproc.models.base import Model
from streamproc.models.serving import Served
from streamproc.pipeline.faults import UNENCODABLE
from streamproc.pipeline.outcome import Outcome, TenantRows


class NativePath:
    """One call of `predict` a tenant and schema."""

    def __init__(self, predictor: Predictor, encoder: PredictionEncoder, *, stages: StageClock, clock: Clock) -> None:
        self._predictor = predictor
        self._encoder = encoder
        self._stages = stages
        self._clock = clock

    def predict(self, outcome: Outcome, tenant_rows: TenantRows, route: Served, deadline: float) -> None:
        """Take the tenant's rows to their end; those for whom no time is left wait."""
        for group in self._groups(outcome, tenant_rows, route):
            with self._stages.measure(Stage.PREDICT):
                self._predictor.submit(group, deadline)
        for result in self._predictor.completed():
            match result:
                case Predicted():
                    with self._stages.measure(Stage.ENCODE):
                        self._encode(outcome, result)
                case Unpredicted(group, row, reason, exception, text):
                    error = RecordError(reason, Stage.PREDICT, text, model_id=group.info.model_id)
                    outcome.kill(row, error, group.tenant, exception)
                case Deferred(group, rows):
                    outcome.wait(group.tenant, int(rows[0]))

    def _groups(self, outcome: Outcome, tenant_rows: TenantRows, route: Served) -> Iterator[PredictionGroup]:
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

    def _encode(self, outcome: Outcome, part: Predicted) -> None:
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
        for position, row in enumerate(part.rows.tolist()):
            if encoded.status[position]:
                reason = Reason.from_code(int(encoded.status[position]))
                outcome.kill(row, RecordError(reason, Stage.ENCODE, UNENCODABLE, model_id=info.model_id), part.group.tenant)
            else:
                outcome.suffixes[row] = encoded.suffixes[position]


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
