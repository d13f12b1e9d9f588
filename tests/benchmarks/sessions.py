"""One workload's contenders in interleaved rounds, each with as many records as its speed needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.installed import Installation, Say, installed
from benchmarks.others import Script, ScriptContender
from benchmarks.verified import Verifier

from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.run_topics import RunTopics
from streamproc.operations.bench.children import Contender, ContenderError, PassThroughContender, ReplicaContender
from streamproc.operations.bench.measure import LOOK_SECONDS, Load, Measured, Run, TooFewRecordsError
from streamproc.operations.bench.rounds import measure_rounds
from streamproc.operations.bench.side_by_side import WARM_UP_RECORDS
from streamproc.operations.bench.workload import Workload

PARTITIONS = 4
DISTINCT_RECORDS = 200_000
DISTINCT_BYTES = 60_000_000
FIRST_RECORDS = 4_000
MOST_RECORDS = 4_000_000
_TRIES = 4
_BURSTS = 12
_GROWN = 2
_GROWTH = 50
"""How many times as many records a try may have as the one before it."""


class WorkloadSession:
    """Measures contenders with one workload on one broker."""

    def __init__(
        self, workload: Workload, options: ConnectionOptions, folder: Path, say: Say, *, partitions: int = PARTITIONS
    ) -> None:
        self.installation: Installation = installed(workload, options, say)
        self._options = options
        self._say = say
        self._partitions = partitions
        distinct = max(min(DISTINCT_RECORDS, DISTINCT_BYTES // workload.record_bytes), workload.active_tenants)
        records = workload.records(distinct)
        self._values, self._keys = records.values(), records.keys(workload)
        self._verifier = Verifier(options, self.installation, records, partitions=partitions)
        self._run = Run(options, folder, partitions=partitions)
        self._sizes: dict[str, int] = {}

    def contenders(self, scripts: Sequence[Script]) -> list[Contender]:
        """The pass-through, streamproc, and these."""
        others = [ScriptContender(script, self.installation, self._options, self._partitions) for script in scripts]
        return [PassThroughContender(self._options), ReplicaContender(self.installation.config), *others]

    def measure(self, contenders: Sequence[Contender], *, rounds: int, seconds: float, seed: int) -> dict[str, Any]:
        """Rounds in which each contender works for about so many seconds; JSON."""
        failed: dict[str, str] = {}
        for contender in contenders:
            try:
                self._sizes[contender.name] = self._size(contender, seconds)
            except ContenderError as error:
                failed[contender.name] = str(error)
                self._say(f"{contender.name} failed: {error}")
        sized = [contender for contender in contenders if contender.name in self._sizes]
        session = measure_rounds(sized, self._measure_sized, rounds=rounds, seed=seed, say=self._say)
        return {"contenders": session.summary(), "failures": {**failed, **session.failures}}

    def _measure_sized(self, contender: Contender) -> Measured:
        return self.measure_once(contender, self._sizes[contender.name])

    def measure_once(self, contender: Contender, records: int) -> Measured:
        """One run, whose output is verified."""
        load = Load(self._values, self._keys, self._warm_up(contender), records)

        def check(topics: RunTopics, name: str) -> None:
            self._verifier.check(topics, name, load, repeats=contender.members > 1)

        return self._run.measure(contender, load, check=check)

    def _warm_up(self, contender: Contender) -> int:
        """Peers have loaded their models before they read: a few records of each tenant will do."""
        active = self.installation.workload.active_tenants
        is_slow = isinstance(contender, ScriptContender) and contender.script.environment is not None
        return contender.members * max(active, 2_000 if is_slow else WARM_UP_RECORDS)

    def _size(self, contender: Contender, seconds: float) -> int:
        """How many records it works on for so many seconds, and no fewer than a dozen of its bursts."""
        least = max(FIRST_RECORDS, contender.script.least_records if isinstance(contender, ScriptContender) else 0)
        records = wanted = least
        for _ in range(_TRIES):
            took, step = self._try(contender, records)
            wanted = int(min(max(records / took * seconds, _BURSTS * step, least), MOST_RECORDS))
            self._say(f"{contender.name}: {records:,} records took {took:.2f} s, in steps of up to {step:,}")
            if wanted < _GROWN * records:
                break
            records = min(wanted, _GROWTH * records)
        return wanted

    def _try(self, contender: Contender, records: int) -> tuple[float, int]:
        """The seconds that one run took, at least a look's time, and its largest step."""
        try:
            measured = self.measure_once(contender, records)
        except TooFewRecordsError as error:
            return max(error.seconds, LOOK_SECONDS), 0
        return measured.seconds, measured.largest_step
