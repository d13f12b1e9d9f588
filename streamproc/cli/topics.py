"""`lag`, `tail`, `dead-letters` and `schema`: what is in the topics."""

from __future__ import annotations

from typing import Annotated

import typer

from streamproc.cli import output
from streamproc.cli.options import Configuration, JsonOption, configured, take_options
from streamproc.errors import Reason, RefusedError

_NEWEST_FOLLOWED = 10
"""How many records of each partition come first where `--follow` is given without `--newest`; as of `tail -f`."""

dead_letters = typer.Typer(name="dead-letters", help="Look at dead letters.", no_args_is_help=True, callback=take_options)
schema = typer.Typer(name="schema", help="Look at schemas.", no_args_is_help=True, callback=take_options)

NewestOption = Annotated[int | None, typer.Option(min=0, help="Only the newest so many of each partition.", show_default=False)]


def add_to(application: typer.Typer) -> None:
    """Add the commands to the application."""
    application.command("lag")(configured(lag))
    application.command("tail")(configured(tail))
    application.add_typer(dead_letters)
    application.add_typer(schema)


def lag(configuration: Configuration, *, json: JsonOption = False) -> None:
    """How far the group is behind in each partition, in records and seconds."""
    from streamproc.operations.topics import lag_of_group  # noqa: PLC0415 - keeps `--help` fast

    rows = [
        (one.partition.topic, one.partition.partition, one.committed, one.end, one.records, one.seconds)
        for one in lag_of_group(configuration.load().settings)
    ]
    headings = ("topic", "partition", "committed", "end", "lag_records", "lag_seconds")
    if json:
        output.json_text(output.rows_as_json(headings, rows))
    else:
        output.table(headings, [(*row[:-1], None if row[-1] is None else round(row[-1], 1)) for row in rows])


def _checked_topic(name: str | None) -> str | None:
    if name is not None:
        from streamproc.config import topic_name  # noqa: PLC0415 - keeps `--help` fast

        try:
            topic_name(name)
        except ValueError as error:
            raise typer.BadParameter(f"expected {error}; found {name!r}") from error
    return name


def tail(
    configuration: Configuration,
    *,
    topic: Annotated[
        str | None, typer.Option(callback=_checked_topic, help="The output topic unless given.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    newest: NewestOption = None,
    json: JsonOption = False,
) -> None:
    """Print a topic's records, decoded, one JSON line each (with or without --json)."""
    from streamproc.operations.topics import followed_records, topic_records  # noqa: PLC0415 - keeps `--help` fast

    del json
    settings = configuration.load().settings
    name = topic or settings.kafka.output_topic
    if follow:
        records = followed_records(settings, name, newest=_NEWEST_FOLLOWED if newest is None else newest)
    else:
        records = topic_records(settings, name, newest=newest)
    for record in records:
        output.json_line(record)


def _checked_time(text: str | None) -> str | None:
    if text is not None:
        from datetime import UTC, datetime  # noqa: PLC0415 - keeps `--help` fast

        from streamproc.operations.dead_letters import moment  # noqa: PLC0415 - as above

        try:
            moment(text, datetime.now(UTC))
        except RefusedError as error:
            raise typer.BadParameter(str(error)) from error
    return text


@dead_letters.command("list")
@configured
def list_dead_letters(
    configuration: Configuration,
    *,
    tenant: Annotated[list[str] | None, typer.Option(help="Of this tenant only; may be repeated.", show_default=False)] = None,
    reason: Annotated[
        list[Reason] | None, typer.Option(help="For this reason only; may be repeated.", metavar="REASON", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", callback=_checked_time, help="Not before: ISO 8601 in UTC, or 30m, 2h, 1d ago.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", callback=_checked_time, help="Before this time.", show_default=False)
    ] = None,
    newest: Annotated[
        int | None, typer.Option(min=0, help="Of these, only the newest so many of each partition.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """List dead letters: why, whose, and where the record came from; no payloads."""
    from streamproc.operations.topics import dead_letters_of  # noqa: PLC0415 - keeps `--help` fast

    settings = configuration.load().settings
    for letter in dead_letters_of(settings, tenants=tenant, reasons=reason, since=since, until=until, newest=newest):
        if json:
            output.json_line(letter.as_json())
        else:
            about = letter.as_json()
            source = f"{letter.source_topic}/{letter.source_partition}@{letter.source_offset}" if letter.source_topic else None
            output.fields((about["at"], letter.reason, letter.tenant, source, letter.model_id, letter.message))


@schema.command("show")
@configured
def show_schema(
    configuration: Configuration,
    *,
    derived: Annotated[bool, typer.Option("--output", help="The schemas of the output instead.")] = False,
    json: JsonOption = False,
) -> None:
    """Print the input schemas, or those derived from them for the output, as Avro JSON; --json: one list with their ids."""
    from streamproc.operations.topics import described_schemas  # noqa: PLC0415 - keeps `--help` fast

    described = described_schemas(configuration.load().settings, derived=derived)
    if json:
        output.json_text(described)
    for one in () if json else described:
        output.json_text(one["schema"])
