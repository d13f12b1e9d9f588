"""An in-memory broker and fakes with which users test their own models and settings without Kafka."""

from streamproc.testing.broker import InMemoryBroker
from streamproc.testing.logs import StoredRecord
from streamproc.testing.sink import InMemorySink
from streamproc.testing.source import InMemorySource

__all__ = ["InMemoryBroker", "InMemorySink", "InMemorySource", "StoredRecord"]
