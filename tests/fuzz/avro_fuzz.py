"""Millions of damaged records through the compiled decoder with bounds checks on, each verdict compared with the rules'.

    NUMBA_BOUNDSCHECK=1 python tests/fuzz/avro_fuzz.py --mutants 5000000 --seed 1

Prints what was done as JSON. Ends with 1 at the first batch that differs, naming what makes it again; a batch that hangs ends
the process with a traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from support.avro import decoder
from support.avro_expected import Reference, Verdict, column_differences, decoding_differences
from support.avro_generated import Generated, candidate_paths, generated_schema
from support.avro_mutants import HOSTILE_SCHEMAS, makers, mutated
from support.records import record_batch

from streamproc.avro.decoder import DecodedBatch
from streamproc.avro.kernels import CONFLUENT, read_frames

BATCH_RECORDS: Final = 2_000
BATCHES_PER_SCHEMA: Final = 3
HANG_SECONDS: Final = 60
MAX_BYTES: Final = 2_000
"""Of a record; also its items: few, so that records come near to the limit."""
_SHOWN: Final = 5


@dataclass(slots=True)
class Totals:
    """What was done."""

    mutants: int = 0
    schemas: int = 0
    features: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    decoding_seconds: float = 0.0
    slowest_batch_seconds: float = 0.0
    seconds: float = 0.0
    """Making, decoding and comparing."""


def require_bounds_checks() -> None:
    """Exit unless a kernel that is told of more bytes than there are finds out."""
    payload = np.full(16, 0x80, np.uint8)[:1]
    out = np.zeros(1, np.int64)
    try:
        _read_a_frame(payload, out)
    except IndexError:
        return
    sys.exit("set NUMBA_BOUNDSCHECK=1, and NUMBA_CACHE_DIR to a folder of its own: kernels don't check their bounds")


def _read_a_frame(payload: NDArray[np.uint8], body: NDArray[np.int64]) -> None:
    """Of a record that is said to have 16 bytes."""
    fault = np.zeros(1, np.uint8)
    payload[0] = 0
    read_frames(payload, np.array([0, 16]), np.zeros(1, np.bool_), CONFLUENT, 100, body, body.copy(), fault)


def schemas(chance: Random) -> Iterator[Generated]:
    """The hostile ones among generated ones, for ever."""
    while True:
        for hostile in HOSTILE_SCHEMAS:
            yield hostile
            for _ in range(4):
                yield generated_schema(chance, chance.randrange(1, 40))


def batches(reference: Reference, chance: Random) -> Iterator[list[bytes]]:
    """Damaged records of one schema, sound ones among them."""
    sound, deep, hostile, hostile_deep = makers(reference.root, chance)
    while True:
        seeds = [sound.record() for _ in range(40)] + [deep.record() for _ in range(8)]
        batch = list(seeds)
        while len(batch) < BATCH_RECORDS:
            way = chance.randrange(10)
            if way < 3:
                batch.append((hostile_deep if not way else hostile).record())
            else:
                batch.append(mutated(chance.choice(seeds), chance, seeds))
        chance.shuffle(batch)
        yield batch


class Fuzz:
    """One run: `totals` says what it has done so far."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.totals = Totals()

    def run(self, mutants: int) -> None:
        """Decode so many; exits with 1 at the first difference."""
        for number, made in enumerate(schemas(Random(self._seed))):  # noqa: S311 - test data, made again from the seed
            if self.totals.mutants >= mutants:
                return
            self.totals.schemas += 1
            subject = Subject(made, Random(f"{self._seed}/{number}"), self.totals)  # noqa: S311 - as above
            for _ in range(BATCHES_PER_SCHEMA):
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
                differences = subject.differences()
                faulthandler.cancel_dump_traceback_later()
                if differences:
                    where = f"schema {number} of seed {self._seed}: {json.dumps(made.schema)}"
                    sys.exit("\n".join([where, *differences[:_SHOWN]]))


class Subject:
    """One schema: its decoder, its oracle, its damaged records."""

    def __init__(self, made: Generated, chance: Random, totals: Totals) -> None:
        self._reference = Reference(made, MAX_BYTES)
        self._decoder = decoder(made.schema, tenant=made.tenant, time=made.time, max_record_bytes=MAX_BYTES)
        self._chance = chance
        self._totals = totals
        self._batches = batches(self._reference, chance)

    def differences(self) -> list[str]:
        """What the next batch shows; empty where all is as the rules say."""
        batch = next(self._batches)
        verdicts = [self._reference.verdict(body) for body in batch]
        started = time.perf_counter()
        decoded = self._decoder.decode(record_batch([*batch]))
        self._count(verdicts, time.perf_counter() - started)
        found = [f"{where}: {text}: {batch[where].hex()}" for where, text in decoding_differences(verdicts, decoded)]
        return found or self._column_differences(decoded, verdicts)

    def _column_differences(self, decoded: DecodedBatch, verdicts: Sequence[Verdict]) -> list[str]:
        """As `differences`, of some features: first captured by a walk of their own, in later batches on the first walk."""
        names = candidate_paths(self._reference.root, self._chance, 6)
        vectors = [name for name in names if self._reference.is_vector(name)]
        names = [name for name in names if name not in vectors[1:]]  # one feature only can be a whole array
        width = self._chance.randrange(1, 4) if vectors else 1
        n_columns = len(names) - 1 + width if vectors else None
        rows = np.flatnonzero(decoded.status == 0)
        if not len(rows):
            return []
        found = decoded.features(0, rows, tuple(names), n_columns)
        sound = [verdict.read for verdict in verdicts if verdict.reason is None and verdict.read is not None]
        self._totals.features += len(names) * len(sound)
        return list(column_differences(self._reference, sound, found, width))

    def _count(self, verdicts: Sequence[Verdict], seconds: float) -> None:
        totals = self._totals
        totals.mutants += len(verdicts)
        totals.verdicts.update(verdict.reason.value if verdict.reason else "sound" for verdict in verdicts)
        totals.faults.update(verdict.fault for verdict in verdicts if verdict.read is None and verdict.fault)
        totals.decoding_seconds += seconds
        totals.slowest_batch_seconds = max(totals.slowest_batch_seconds, seconds)


def main() -> None:
    """Parse, check, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    require_bounds_checks()
    warnings.simplefilter("error")
    started = time.perf_counter()
    fuzz = Fuzz(wanted.seed)
    fuzz.run(wanted.mutants)
    fuzz.totals.seconds = time.perf_counter() - started
    shown = {name: getattr(fuzz.totals, name) for name in Totals.__slots__}
    print(json.dumps(shown, indent=2))  # noqa: T201 - its output


if __name__ == "__main__":
    main()
