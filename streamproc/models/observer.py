"""Who is told what happens to models; `telemetry` implements it."""

from __future__ import annotations

from typing import Literal, Protocol

ServedBy = Literal["linear", "trees", "histogram", "native"]
"""The kind of kernel that predicts with a model; native: scikit-learn itself, or another library."""


class ModelObserver(Protocol):
    """Told by the loop and by loader threads: safe to be called by several threads, quick, and never raises."""

    def model_requested(self, result: Literal["hit", "miss", "negative"], tenants: int = 1) -> None:
        """So many tenants' models were looked up, once for one batch; negative: known to have none that works."""

    def model_loaded(self, seconds: float) -> None:
        """An artifact became a model."""

    def model_load_failed(self, reason: str) -> None:
        """It did not; `reason` is a dead-letter reason or `unavailable`."""

    def cache_changed(self, models: int, nbytes: int) -> None:
        """The cache now holds so much."""

    def model_evicted(self) -> None:
        """The cache dropped a model to make room."""


class KindObserver(Protocol):
    """Told by loader threads, like `ModelObserver`."""

    def model_compiled(self, kind: ServedBy) -> None:
        """A model was loaded, and this is how it will predict."""
