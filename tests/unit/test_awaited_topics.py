"""That a topic to write to is missing is known before the first record for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from queue import Queue
from threading import Event

import pytest

from streamproc.errors import ConfigurationError, StreamprocError, TransientError
from streamproc.kafka.awaited_topics import AwaitedTopics

LOGGER = logging.getLogger("streamproc.test")
Answer = Sequence[str] | StreamprocError


class Cluster:
    """Gives one answer at a time, as the test hands them out."""

    def __init__(self) -> None:
        self.answers: Queue[Answer] = Queue()
        self.asked = Queue[None]()

    def missing(self) -> Sequence[str]:
        self.asked.put(None)
        answer = self.answers.get(timeout=10)
        if isinstance(answer, StreamprocError):
            raise answer
        return answer


def awaited(cluster: Cluster) -> AwaitedTopics:
    return AwaitedTopics(cluster.missing, logger=LOGGER, again_seconds=0.0)


def test_a_missing_topic_is_named_until_it_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    cluster = Cluster()
    topics = awaited(cluster)
    topics.start()
    cluster.asked.get(timeout=10)
    assert topics.reason is None
    cluster.answers.put(["predictions"])
    cluster.asked.get(timeout=10)
    assert topics.reason == "the topic 'predictions', which does not exist; create it"
    cluster.answers.put(["predictions"])
    cluster.asked.get(timeout=10)
    cluster.answers.put([])
    topics._thread.join(10)
    assert topics.reason is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "Waiting for the topic 'predictions'" in caplog.messages[0]


def test_where_all_are_there_it_is_asked_once_and_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    cluster = Cluster()
    cluster.answers.put([])
    topics = awaited(cluster)
    topics.start()
    topics._thread.join(10)
    assert cluster.asked.qsize() == 1
    assert caplog.messages == []


def test_a_broker_that_is_away_is_asked_again_and_a_missing_right_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    for answer in (TransientError("no broker"), ConfigurationError("the right DESCRIBE is missing")):
        cluster.answers.put(answer)
    topics = awaited(cluster)
    topics.start()
    topics._thread.join(10)
    assert cluster.asked.qsize() == 2
    assert caplog.messages == ["Whether the topics exist that are written to can't be known: the right DESCRIBE is missing"]


def test_starting_and_closing_wait_for_no_answer() -> None:
    entered, leave = Event(), Event()

    def never() -> Sequence[str]:
        entered.set()
        leave.wait(10)
        return []

    topics = AwaitedTopics(never, logger=LOGGER)
    topics.start()
    assert entered.wait(10)
    topics.close()
    assert topics._thread.is_alive()
    leave.set()
    topics._thread.join(10)
    assert not topics._thread.is_alive()
