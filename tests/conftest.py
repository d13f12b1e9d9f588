"""Fixtures that every kind of test may use; what they start lives in `support`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.kafka import Cluster, session_broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One real broker for all tests; each makes topics and groups with names of its own."""
    with session_broker(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster
