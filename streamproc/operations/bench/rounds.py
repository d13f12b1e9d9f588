"""Interleaved rounds: every contender once a round, in random order, compared within its round."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from streamproc.operations.bench.children import Contender, ContenderError
from streamproc.operations.bench.measure import Measured

BASE = "pass-through"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the range of a figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass
class Session:
    """What was measured so far: contender → round → run; and what failed."""

    runs: dict[str, dict[int, Measured]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, object]]:
        """For each contender its figures, and their ratios to the pass-through of the same round; JSON values."""
        base = self.runs.get(BASE, {})
        return {name: _figures(runs, base) for name, runs in self.runs.items() if runs}


def measure_rounds(
    contenders: Sequence[Contender],
    run: Callable[[Contender], Measured],
    *,
    rounds: int,
    seed: int,
    say: Say = lambda _: None,
) -> Session:
    """Measure every contender in every round. One that fails is left out of later rounds, and said so in the result."""
    session = Session()
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    for number in range(rounds):
        for contender in order.sample(contenders, len(contenders)):
            if contender.name in session.failures:
                continue
            try:
                measured = run(contender)
            except ContenderError as error:
                session.failures[contender.name] = str(error)
                say(f"round {number + 1}: {contender.name} failed: {error}")
                continue
            session.runs.setdefault(contender.name, {})[number] = measured
            say(f"round {number + 1}: {contender.name} {_line(measured)}")
    return session


def _figures(runs: Mapping[int, Measured], base: Mapping[int, Measured]) -> dict[str, object]:
    figures: dict[str, object] = {"runs": [{"round": number, **asdict(measured)} for number, measured in runs.items()]}
    for name in ("records_per_second", "cpu_microseconds_per_record", "peak_resident_bytes"):
        figures[name] = asdict(Spread.of([getattr(measured, name) for measured in runs.values()]))
        pairs = [(getattr(measured, name), getattr(base[number], name)) for number, measured in runs.items() if number in base]
        if pairs:
            figures[f"{name}_ratio"] = asdict(Spread.of([own / other for own, other in pairs]))
    stages = sorted({stage for measured in runs.values() for stage in measured.stage_microseconds_per_record})
    figures["stages"] = {
        stage: asdict(Spread.of([one.stage_microseconds_per_record.get(stage, 0.0) for one in runs.values()]))
        for stage in stages
    }
    return figures


def _line(measured: Measured) -> str:
    return (
        f"{measured.records_per_second:,.0f} records/s, {measured.cpu_microseconds_per_record:.2f} µs of CPU a record, "
        f"{measured.peak_resident_bytes / 2**20:.0f} MiB"
    )
