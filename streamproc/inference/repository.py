"""Models as they come from the store, compiled where that keeps what they predict."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

import numpy as np

from streamproc.inference.compiled import CompiledModel, Signature
from streamproc.inference.compiling.estimators import compile_model
from streamproc.inference.compiling.parts import NotCompilableError
from streamproc.inference.packed import Kind, Packed
from streamproc.inference.verification import verify
from streamproc.models.base import Model, ModelRepository
from streamproc.models.observer import KindObserver
from streamproc.models.sklearn import SklearnModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Native:
    """A model that isn't compiled."""

    model: Model
    why: str
    """Our own text."""
    bug: str | None = None
    """Where our own code failed, if that is the reason."""


def compiled(model: SklearnModel) -> CompiledModel:
    """Compile the model and compare the result with the model itself.

    Raises:
        NotCompilableError: a part has no kernel, or the results would differ.

    """
    packed = compile_model(model)
    labels = np.array(model.estimator.classes_) if packed.numbers == 0 else None
    signature = Signature.shared(model.metadata, packed, labels, is_column=_is_column(model, packed))
    result = CompiledModel(packed, signature)
    verify(model, result)
    return result


def _is_column(model: SklearnModel, packed: Packed) -> bool:
    """Linear regressions fitted on a column return one; nothing tells so but a prediction."""
    return packed.kind is Kind.LINEAR and packed.numbers == 1 and model.predict(model.example()).ndim > 1


def compiled_or_native(model: Model) -> CompiledModel | Native:
    """The model, compiled if it can be. Whatever goes wrong in compiling it, it predicts natively."""
    if not isinstance(model, SklearnModel):
        return Native(model, f"a {type(model).__name__} is predicted by its own library")
    try:
        return compiled(model)
    except NotCompilableError as reason:
        return Native(model, str(reason))
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not cost a tenant its model
        place = traceback.extract_tb(error.__traceback__)[-1]  # the message may quote the model's own values
        bug = f"{type(error).__name__} in {place.name}, line {place.lineno}"
        return Native(model, f"compiling it failed ({bug}); please report it", bug)


class CompilingRepository(ModelRepository):
    """Compiles what another repository loads."""

    def __init__(self, repository: ModelRepository, *, observer: KindObserver | None = None) -> None:
        """Compose.

        Args:
            repository: loads; what it raises is passed on.
            observer: told of each model's kind.

        """
        self._repository = repository
        self._observer = observer

    def get_model(self, model_id: str) -> Model:
        """The model as the repository has it where it isn't compiled. See `ModelRepository` for what is raised."""
        found = compiled_or_native(self._repository.get_model(model_id))
        if isinstance(found, Native) and found.bug is not None:
            logger.warning(
                "Model %s predicts natively, because compiling it failed: %s; please report it",
                model_id,
                found.bug,
                extra={"model_id": model_id},
            )
        if self._observer is not None:
            self._observer.model_compiled("native" if isinstance(found, Native) else found.served_by)
        return found.model if isinstance(found, Native) else found
