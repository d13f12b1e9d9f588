"""What the client writes, into our logging."""

from __future__ import annotations

import logging

_REPEATED = frozenset({"FAIL", "ERROR"})
"""Written at each attempt to connect, about once a second and broker. Who waits for a broker says so in our own words."""


class ClientLog:
    """Passes the client's lines to a logger, those about single connections at debug level."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def log(self, level: int, text: str, *arguments: object) -> None:
        """The one method that the client calls; its first argument is the kind of line."""
        is_repeated = bool(arguments) and arguments[0] in _REPEATED
        self._logger.log(logging.DEBUG if is_repeated else level, text, *arguments)
