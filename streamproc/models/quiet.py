"""Keeps scikit-learn's warnings about single rows out of the log: a record must not be able to fill it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_MODULES = r"(sklearn|numpy|scipy|pandas|joblib|skops|streamproc)(\.|$)"
_lock = threading.Lock()
_users = 0
_entry: object = None


@contextmanager
def quiet() -> Iterator[None]:
    """No warning of the numeric libraries, and no floating-point complaint, gets out of this block.

    `warnings.catch_warnings` can't do it: it swaps the process's filters, and threads that overlap restore them in the wrong
    order. Here the first user adds one filter and the last one takes it away.
    """
    _enter()
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _entry  # noqa: PLW0603 - the filters belong to the process, and so does the count of who needs one
    with _lock:
        _users += 1
        if _users == 1:
            warnings.filterwarnings("ignore", module=_MODULES)
            _entry = warnings.filters[0]


def _leave() -> None:
    global _users  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if _users == 0 and _entry in warnings.filters:
            warnings.filters.remove(_entry)  # type: ignore[attr-defined]  # a list at run time
