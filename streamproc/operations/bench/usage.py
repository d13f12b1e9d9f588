"""What a process and its descendants have used: CPU time and memory, from /proc, or from `ps` where there is none."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a tree of processes at one moment."""

    cpu_seconds: float
    """User and system time of all threads, also of descendants that have ended and were waited for."""
    resident_bytes: int
    """Memory shared by several of them counts for each."""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    usage: Usage


def usage_of(pid: int) -> Usage:
    """The process's and its descendants' use so far; zeros when it has ended. `ps` counts CPU in hundredths of a second."""
    found = _tree(pid, list(_processes()))
    return Usage(sum(one.usage.cpu_seconds for one in found), sum(one.usage.resident_bytes for one in found))


def _tree(pid: int, processes: Iterable[_Process]) -> list[_Process]:
    by_parent: defaultdict[int, list[_Process]] = defaultdict(list)
    found = []
    for process in processes:
        by_parent[process.parent].append(process)
        if process.pid == pid:
            found.append(process)
    for process in found:  # grows while it is walked
        found.extend(by_parent[process.pid])
    return found


def _processes() -> Iterable[_Process]:
    if not _PROC.joinpath("self", "stat").exists():
        yield from _listed_by_ps()
        return
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal() and (process := _read_stat(int(entry.name))):
            yield process


def _read_stat(pid: int) -> _Process | None:
    """None where it ended meanwhile. The fields are those of proc(5), counted behind the name, which may hold blanks."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    usage = Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))
    return _Process(pid, int(fields[1]), usage)


def _listed_by_ps() -> Iterable[_Process]:
    command = ["ps", "-A", "-o", "pid=,ppid=,time=,rss="]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - constant arguments
    for line in listed.stdout.splitlines():
        pid, parent, time, kibibytes = line.split()
        yield _Process(int(pid), int(parent), Usage(_seconds(time), int(kibibytes) * 1024))


def _seconds(clock: str) -> float:
    """`[[DAYS-]HOURS:]MINUTES:SECONDS` with or without decimals."""
    days, _, rest = clock.rpartition("-")
    seconds = 86400.0 * int(days or 0)
    for place, part in enumerate(reversed(rest.split(":"))):
        seconds += float(part) * 60**place
    return seconds
