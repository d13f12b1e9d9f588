"""The abstractions of the job: a model, where a tenant's model is named, and where models come from.

Serving knows these and nothing of a model's library, a store or a database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamproc.models.probe import example_columns, features_that_may_be_null


class OutputKind(StrEnum):
    """The branch of the output schema's `value` that a model fills."""

    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    STRING = "string"
    ARRAY = "array"


class Variant(StrEnum):
    """The part that a model plays for a tenant; the symbols of the output schema's enum, in its order."""

    UNKNOWN = "unknown"
    CHAMPION = "champion"
    CHALLENGER = "challenger"
    SHADOW = "shadow"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model reads and what it returns."""

    feature_names: tuple[str, ...]
    """The record fields that the model reads, in the order of its columns: dotted paths, `name[i]`, or a vector's name."""
    output_kind: OutputKind
    classes: tuple[str, ...] | None = None
    """`str(class)` in the order of the columns of `Model.scores`; None where the model gives no scores."""
    n_columns: int | None = None
    """How many columns the features make; above `len(feature_names)` where one of them is a vector. None: one each."""


class Model(ABC):
    """Predicts for many records at once.

    Implementations are used by one thread at a time and must not change their result from call to call. Whatever they raise
    costs the records at fault only: the caller bisects.
    """

    __slots__ = ()  # a subclass of which there are thousands may do without a __dict__

    @property
    @abstractmethod
    def metadata(self) -> ModelMetadata:
        """Feature names, output kind, classes."""

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the model holds; what a cache bounded by bytes counts. 0 where unknown."""
        return 0

    @abstractmethod
    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the elements' dtype is the model's own
        """Predict one value a row.

        Args:
            data: n rows, one column a feature, named and ordered as `metadata.feature_names` (a vector: `name[0]`, …).

        Returns:
            (n,) or (n, 1) for scalars, (n, k) numbers for arrays.

        """

    def scores(self, data: pd.DataFrame) -> NDArray[np.float64] | None:
        """The probability of each class: (n, len(metadata.classes)); None where the model has none."""
        del data
        return None

    def predict_with_scores(self, data: pd.DataFrame) -> tuple[NDArray[Any], NDArray[np.float64] | None]:  # as `predict`
        """What `predict` and `scores` return; to be overridden where one pass gives both."""
        return self.predict(data), self.scores(data)

    def example(self) -> pd.DataFrame:
        """One row that the model should be able to predict, for probes; all zeros unless the model knows better."""
        columns = example_columns(self.metadata.feature_names, self.metadata.n_columns)
        return pd.DataFrame({name: np.zeros(1) for names in columns.values() for name in names})

    @cached_property
    def null_features(self) -> frozenset[str]:
        """The names of the features that may be null: a probe, run at first use, predicted one row with that feature null."""
        metadata = self.metadata
        columns = example_columns(metadata.feature_names, metadata.n_columns)
        return features_that_may_be_null(self.predict, self.example(), columns)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model serves a tenant."""

    model_id: str
    """Names an immutable artifact."""
    variant: Variant = Variant.CHAMPION
    revision: int = 0
    """The revision of the registry that made this assignment."""


@dataclass(frozen=True, slots=True)
class AssignmentChanges:
    """The tenants whose assignment changed after some revision, and the revision that this knowledge is of."""

    revision: int
    tenants: tuple[str, ...]


class ModelInfoRepository(ABC):
    """Knows each tenant's model. Safe to be used by several threads."""

    @abstractmethod
    def get_model_info(self, tenant: str) -> ModelInfo:
        """The tenant's assignment.

        Raises:
            RecordError: reason `tenant_unknown`: the tenant has no assignment and there is no default model.
            TransientError: the repository does not answer.

        """

    @abstractmethod
    def changes_since(self, revision: int) -> AssignmentChanges:
        """The tenants whose assignment has a revision above `revision`; never misses one, may name one twice.

        Raises:
            TransientError: the repository does not answer.

        """


class ModelRepository(ABC):
    """Gives the model that an id names. Safe to be used by several threads."""

    @abstractmethod
    def get_model(self, model_id: str) -> Model:
        """Load the model.

        Raises:
            RecordError: `model_missing` (no such artifact) or `model_rejected` (digest, format, type, size).
            TransientError: the store does not answer.

        """


class ArtifactStore(ABC):
    """Keeps artifacts' bytes under names. A name is written once; ids and names can't leave the store's root."""

    @abstractmethod
    def put(self, name: str, data: bytes) -> None:
        """Store `data` under `name`, all or nothing; storing the same bytes again is a success."""

    @abstractmethod
    def get(self, name: str, max_bytes: int) -> bytes:
        """The bytes under `name`.

        Raises:
            KeyError: nothing is stored there.
            RecordError: reason `model_rejected`: more than `max_bytes`.
            TransientError: the store does not answer.

        """

    @abstractmethod
    def check(self) -> None:
        """Return if the store answers.

        Raises:
            TransientError: it does not; names it.

        """
