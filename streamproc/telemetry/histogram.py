"""A histogram that takes arrays: one observation a record would cost more than the prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class ArrayHistogram(Collector):
    """A Prometheus histogram with at most one label, observed by the loop and read by the HTTP threads."""

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds: Sequence[float],
        *,
        registry: CollectorRegistry,
        label: str | None = None,
        label_values: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = np.array(bounds, np.float64)
        self._label = label
        self._lock = Lock()
        self._series = {value: _Series(len(bounds)) for value in (label_values if label else ("",))}
        registry.register(self)

    def observe(self, values: NDArray[np.float64], label_value: str = "") -> None:
        """Count each of the finite values of a (n,) array."""
        values = values[np.isfinite(values)]
        if not len(values):
            return
        # side="left": a value equal to a bound belongs below it ("le").
        counts = np.bincount(np.searchsorted(self._bounds, values, side="left"), minlength=len(self._bounds) + 1)
        with self._lock:
            self._series.setdefault(label_value, _Series(len(self._bounds))).add(counts, float(values.sum()))

    def collect(self) -> Iterable[Metric]:
        """The cumulative counts, as Prometheus wants them."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label] if self._label else [])
        names = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        with self._lock:
            for value, series in self._series.items():
                cumulative = np.cumsum(series.counts).tolist()
                family.add_metric([value] if self._label else [], list(zip(names, cumulative, strict=True)), series.sum)
        yield family

    def describe(self) -> Iterable[Metric]:
        """The name, for the registry."""
        yield HistogramMetricFamily(self._name, self._documentation, labels=[self._label] if self._label else [])


class _Series:
    """The counts of one label value; the last bucket has no upper bound."""

    def __init__(self, bounds: int) -> None:
        self.counts = np.zeros(bounds + 1, np.int64)
        self.sum = 0.0

    def add(self, counts: NDArray[np.int64], total: float) -> None:
        self.counts += counts
        self.sum += total
