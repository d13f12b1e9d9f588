"""What the commands about topics ask for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from uuid import UUID

from streamproc.app.brokers import connection_options
from streamproc.app.schemas import input_schemas
from streamproc.clock import SYSTEM_CLOCK
from streamproc.config import Settings
from streamproc.kafka.lag import GroupLag, group_lag
from streamproc.kafka.reader import TopicReader
from streamproc.operations.client_log import CLIENT_LOGGER
from streamproc.operations.dead_letters import (
    DeadLetterFilter,
    ListedDeadLetter,
    listed_dead_letters,
    moment,
    newest_of_each_partition,
)
from streamproc.operations.schemas import frame_schemas
from streamproc.operations.shown import JsonObject, shown_record


def lag_of_group(settings: Settings) -> list[GroupLag]:
    """The group's lag in every partition of the input topics; raises as `group_lag` does."""
    return group_lag(
        connection_options(settings),
        settings.kafka.input_topics,
        logger=CLIENT_LOGGER,
        wall_clock=SYSTEM_CLOCK.wall,
        monotonic=SYSTEM_CLOCK.monotonic,
    )


def topic_records(settings: Settings, topic: str, *, newest: int | None) -> Iterator[JsonObject]:
    """What the topic holds now, decoded; raises as `TopicReader.read` and `frame_schemas` do."""
    schemas = frame_schemas(settings)
    with TopicReader(connection_options(settings), topic, logger=CLIENT_LOGGER) as reader:
        for record in reader.read(newest=newest):
            yield shown_record(record, schemas, settings.avro.framing)


def followed_records(settings: Settings, topic: str, *, newest: int) -> Iterator[JsonObject]:
    """The newest records, then what comes, for as long as they are asked for; raises as `topic_records` does."""
    schemas = frame_schemas(settings)
    with TopicReader(connection_options(settings), topic, logger=CLIENT_LOGGER) as reader:
        for record in reader.follow(newest=newest, stopped=lambda: False):
            yield shown_record(record, schemas, settings.avro.framing)


def dead_letters_of(
    settings: Settings,
    *,
    tenants: Collection[str] | None,
    reasons: Collection[str] | None,
    since: str | None,
    until: str | None,
    newest: int | None,
) -> Iterator[ListedDeadLetter]:
    """The dead letters that are wanted; with `newest`, the last so many of those in each partition.

    Raises:
        RefusedError: `since` or `until` is no time.
        TransientError: no answer in time, or the topic does not exist.

    """
    now = datetime.now(UTC)
    wanted = DeadLetterFilter(
        tenants=tenants or (),
        reasons=reasons or (),
        since=None if since is None else moment(since, now),
        until=None if until is None else moment(until, now),
    )
    with TopicReader(connection_options(settings), settings.kafka.dead_letter_topic, logger=CLIENT_LOGGER) as reader:
        if newest is None or wanted.wants_all:
            yield from listed_dead_letters(reader.read(newest=newest), wanted)
        else:
            yield from newest_of_each_partition(listed_dead_letters(reader.read(), wanted), newest)


def described_schemas(settings: Settings, *, derived: bool) -> list[JsonObject]:
    """The input schemas, or the output schemas derived from them, with what frames call them."""
    described = []
    for schema in input_schemas(settings):
        ref, shown = (schema.output_ref, schema.output) if derived else (schema.ref, schema.writer)
        guid = None if ref.guid is None else str(UUID(bytes=ref.guid))
        names = {"id": ref.id, "guid": guid, "fingerprint": ref.fingerprint.hex()}
        described.append({**names, "schema": json.loads(shown.text)})
    return described
