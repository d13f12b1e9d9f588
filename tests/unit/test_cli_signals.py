"""How a running processor hears signals; in a process of its own, because the test's own handlers stay."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import time
from streamproc.cli.signals import StopSignals
signals = StopSignals()
signals.install()
{hand_over}
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
RUNNING = 'signals.hand_over(lambda: print("stop", flush=True))'


def sent(hand_over: str, *numbers: signal.Signals) -> tuple[str, int]:
    """What the process says after each signal, and its exit code; it is killed where it goes on."""
    arguments = [sys.executable, "-c", PROGRAM.format(hand_over=hand_over)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            said += process.stdout.readline()
        if said.count("stop") == len(numbers):
            process.kill()
        return said, process.wait(20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_loop_runs_ends_with_0(number: signal.Signals) -> None:
    assert sent("", number) == ("", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_loop_runs_stops_it_and_ends_nothing(number: signal.Signals) -> None:
    assert sent(RUNNING, number) == ("stop\n", -signal.SIGKILL)


def test_the_second_sigint_ends_with_130_at_once() -> None:
    assert sent(RUNNING, signal.SIGINT, signal.SIGINT) == ("stop\n", 130)
    assert sent(RUNNING, signal.SIGTERM, signal.SIGINT, signal.SIGINT) == ("stop\nstop\n", 130)


def test_sigterm_may_be_sent_again() -> None:
    assert sent(RUNNING, signal.SIGTERM, signal.SIGTERM, signal.SIGTERM) == ("stop\n" * 3, -signal.SIGKILL)
