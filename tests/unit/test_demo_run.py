from __future__ import annotations

import os
import signal

import pytest

from streamproc.demo.run import ended_like_by_ctrl_c


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_ends_the_demo_as_ctrl_c_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ended_like_by_ctrl_c():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
