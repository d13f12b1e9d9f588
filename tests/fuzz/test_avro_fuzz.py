"""A short run of the fuzzer; `make fuzz` is a long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

MUTANTS = 200_000
_HERE = Path(__file__).parent
_KERNELS = _HERE.parent / ".cache" / "bounds-checked-kernels"


def fuzz(*arguments: str, bounds_checks: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_HERE.parent), str(_HERE.parent.parent)]),
        "NUMBA_BOUNDSCHECK": str(int(bounds_checks)),
    }
    if bounds_checks:
        _KERNELS.mkdir(parents=True, exist_ok=True)
        environment["NUMBA_CACHE_DIR"] = str(_KERNELS)
    command = [sys.executable, str(_HERE / "avro_fuzz.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=280, env=environment)


def test_damaged_records_get_the_verdict_that_the_rules_state() -> None:
    """And sound ones among them are decoded as if nothing else were in the batch; no kernel reads where it must not."""
    done = fuzz("--mutants", str(MUTANTS), "--seed", "2")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    assert totals["mutants"] >= MUTANTS
    assert totals["schemas"] >= 30
    assert len(totals["faults"]) == 11, "every rule was broken by some record"
    assert min(totals["verdicts"]["sound"], totals["features"]) > MUTANTS // 20


def test_the_fuzzer_refuses_kernels_that_do_not_check_their_bounds() -> None:
    done = fuzz("--mutants", "1", bounds_checks=False)
    assert done.returncode == 1
    assert "set NUMBA_BOUNDSCHECK=1" in done.stderr
