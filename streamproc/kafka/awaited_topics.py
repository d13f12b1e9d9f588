"""Topics that nothing asks for before the first record for them: looked for from the start on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread

from streamproc.errors import StreamprocError, TransientError
from streamproc.kafka.options import ConnectionOptions
from streamproc.kafka.topics import TopicAdmin

_ASK_AGAIN_SECONDS = 5.0

MissingTopics = Callable[[], Sequence[str]]
"""Which of the topics don't exist; raises as `TopicAdmin.missing` does."""


class AwaitedTopics:
    """Asks at the start, in a thread of its own, whether topics exist; again while one does not, and then no more.

    Guarantees nothing to who produces: a topic may go again.
    """

    def __init__(self, missing: MissingTopics, *, logger: logging.Logger, again_seconds: float = _ASK_AGAIN_SECONDS) -> None:
        """Compose; asks nobody yet."""
        self._missing = missing
        self._logger = logger
        self._again_seconds = again_seconds
        self._closed = Event()
        self._thread = Thread(target=self._ask_until_there, name="awaited topics", daemon=True)
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Our text for the topics that are missing; None while none is known to be."""
        return self._reason

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more; does not wait for an answer that is due."""
        self._closed.set()

    def _ask_until_there(self) -> None:
        while not self._closed.is_set():
            try:
                self._note(self._missing())
            except TransientError:
                pass  # the loop says so itself, of the same broker
            except StreamprocError as error:
                self._logger.warning("Whether the topics exist that are written to can't be known: %s", error)
                return
            else:
                if self._reason is None:
                    return
            self._closed.wait(self._again_seconds)

    def _note(self, topics: Sequence[str]) -> None:
        names = " and ".join(map(repr, topics))
        reason = f"the topic {names}, which does not exist; create it" if topics else None
        if reason != self._reason and reason is not None:
            self._logger.warning("Waiting for %s: records for it stay uncommitted until then", reason)
        if reason is None and self._reason is not None:
            self._logger.info("The topics that were missing are there now")
        self._reason = reason


def missing_topics(options: ConnectionOptions, topics: Sequence[str], *, logger: logging.Logger) -> MissingTopics:
    """Asks the cluster, through a client that is made at the first call."""
    clients: list[TopicAdmin] = []

    def ask() -> Sequence[str]:
        if not clients:
            clients.append(TopicAdmin(options, logger=logger))
        return clients[0].missing(topics)

    return ask
