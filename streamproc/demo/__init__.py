"""The demonstration: models and events for a first look."""

from __future__ import annotations

import sys
import time
from typing import Literal


def run_demo(
    *, data: Literal["generated", "flights"], records: int | None, tenants: int | None, bootstrap_servers: str | None
) -> int:
    """Run the demonstration; progress goes to stderr, results to stdout.

    Args:
        data: `generated` readings of pumps, or the `flights` of 2013 from New York (needs the extra `demo`).
        records: how many to stream, at least 1; None: 50,000 readings, or all flights of four months.
        tenants: how many sites, or only the busiest so many airports, at least 1; None: 50, or all.
        bootstrap_servers: a cluster on which to make topics; None: an embedded toy broker.

    Returns:
        0 where in = out and every prediction is scikit-learn's own, else 1; 130 after Ctrl-C.

    Raises:
        ConfigurationError: the flights aren't installed, or the cluster refuses us.
        TransientError: the cluster does not answer.

    """
    started = time.monotonic()
    sys.stderr.write("[  0 s] loading scikit-learn …\n")
    from streamproc.demo.run import Wish, run  # noqa: PLC0415 - takes seconds: after the first line, not before

    return run(Wish(data, records, tenants, bootstrap_servers), started=started)
