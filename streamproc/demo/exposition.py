"""Reads what a processor exposes on /metrics."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: Mapping[str, str]
    value: float


class Exposition:
    """The samples of one answer, by metric."""

    def __init__(self, text: str) -> None:
        self._samples: defaultdict[str, list[Sample]] = defaultdict(list)
        for match in filter(None, map(_SAMPLE.match, text.splitlines())):
            labels = dict(_LABEL.findall(match["labels"] or ""))
            self._samples[match["name"]].append(Sample(labels, float(match["value"])))

    def total(self, name: str, **labels: str) -> float:
        """The sum over all series that have these labels; 0 where there is none."""
        return sum(sample.value for sample in self._samples.get(name, ()) if labels.items() <= sample.labels.items())

    def by(self, label: str, name: str) -> dict[str, float]:
        """The value of each series, by one label."""
        return {sample.labels[label]: sample.value for sample in self._samples.get(name, ())}

    def buckets(self, name: str) -> dict[float, float]:
        """A histogram's cumulative counts by upper bound, ascending, over all its series."""
        counts: defaultdict[float, float] = defaultdict(float)
        for sample in self._samples.get(f"{name}_bucket", ()):
            counts[float(sample.labels["le"])] += sample.value
        return dict(sorted(counts.items()))


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """The value below which `share` of a histogram's observations lie, as Prometheus' `histogram_quantile` estimates it.

    NaN where nothing was observed; the highest finite bound where it lies above that one.
    """
    bounds = list(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan
    below, lower = 0.0, 0.0
    for bound, count in buckets.items():
        if count >= share * total:
            return lower if math.isinf(bound) else lower + (bound - lower) * (share * total - below) / (count - below)
        below, lower = count, bound
    return lower
