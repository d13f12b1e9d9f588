"""The compiled models that the loop holds, and what predicts with them. Owned by the loop's thread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamproc.avro.outputs import OutputWriter
from streamproc.inference.compiled import CompiledModel
from streamproc.inference.engine import FusedEngine
from streamproc.models.base import Model
from streamproc.models.routes import NO_SLOT
from streamproc.pipeline.faults import fault
from streamproc.pipeline.outcome import Outcome


class FusedModels:
    """Each compiled model has a slot: its parameters lie in the engine, what its predictions share in the templates.

    Implements `streamproc.models.serving.CompiledModels`.
    """

    def __init__(self, writer: OutputWriter) -> None:
        """Start without a model; `writer` has to write what they predict."""
        self._engine = FusedEngine()
        self._templates = writer.templates
        self._models: dict[int, tuple[str, CompiledModel]] = {}

    def install(self, model_id: str, model: Model) -> int:
        """See `CompiledModels`."""
        if not isinstance(model, CompiledModel):
            return NO_SLOT
        packed = model.packed
        if packed is None:
            raise LookupError(model_id)
        slot = self._engine.install(packed, model.layout)
        labels = [] if model.labels is None else model.labels.tolist()
        self._templates.install(slot, model_id, labels, model.metadata.classes or ())
        model.release(self._engine, slot)
        self._models[slot] = model_id, model
        return slot

    def free(self, slot: int) -> None:
        """See `CompiledModels`."""
        del self._models[slot]
        self._templates.free(slot)
        self._engine.free(slot)

    def predict(self, outcome: Outcome, slots: NDArray[np.int32], may_go_on: Callable[[], bool]) -> NDArray[np.int64]:
        """Predict the rows that have a slot; what is wrong with one makes it a dead letter, no time left makes it wait.

        Returns:
            The rows that kernels can't read as their model wants them: predict those natively.

        """
        decoded = outcome.decoded
        predictions, late = self._engine.predict(decoded.walks, slots, may_go_on)
        outcome.predictions = predictions
        for row in np.flatnonzero((predictions.slots >= 0) & (predictions.status != 0)).tolist():
            self._kill(outcome, row)
        for row in late.tolist():
            outcome.wait(decoded.tenants[decoded.tenant[row]], row)
        return np.flatnonzero((slots >= 0) & (predictions.slots < 0))

    def model(self, slot: int) -> tuple[str, CompiledModel]:
        """The id of the slot's model, and the model."""
        return self._models[slot]

    def _kill(self, outcome: Outcome, row: int) -> None:
        decoded, predictions = outcome.decoded, outcome.predictions
        model_id, model = self._models[int(predictions.slots[row])]
        status = int(predictions.status[row])
        error = fault(status, model.column_at_fault(status, int(predictions.where[row])), model_id)
        outcome.kill(row, error, decoded.tenants[decoded.tenant[row]], "ValueError")
