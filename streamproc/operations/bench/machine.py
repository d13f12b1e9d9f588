"""Under which conditions something was measured."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

LIBRARIES = ("streamproc", "confluent-kafka", "numpy", "numba", "scikit-learn", "fastavro")


def conditions(command: Sequence[str], libraries: Sequence[str] = LIBRARIES) -> dict[str, object]:
    """What a reader of the figures must know; JSON values. The load average is that before the measurement."""
    return {
        "command": " ".join(command),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": _versions(libraries),
    }


def _versions(libraries: Sequence[str]) -> Mapping[str, str]:
    return {library: metadata.version(library) for library in libraries}


def _processor() -> str:
    """Linux names it in a file only."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
