"""`streamproc models`: artifacts and who is served by them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamproc.cli import output
from streamproc.cli.options import Configuration, JsonOption, configured, take_options

group = typer.Typer(name="models", help="Publish models and assign them.", no_args_is_help=True, callback=take_options)

TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant, as records name it.")]


@group.command("publish")
@configured
def publish(
    configuration: Configuration,
    *,
    file: Annotated[Path, typer.Argument(help="The artifact.")],
    name: Annotated[str, typer.Option(help="The model's name; the id is NAME@1, NAME@2, …")],
    format_name: Annotated[
        str | None, typer.Option("--format", help="skops, onnx, joblib or pickle; else by the suffix.", show_default=False)
    ] = None,
    features: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="The features, where the model doesn't know them.", show_default=False)
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option(help="Belongs to this tenant and is assigned to it; may be repeated.", show_default=False),
    ] = None,
    description: Annotated[str, typer.Option(help="For people.", show_default=False)] = "",
) -> None:
    """Check, store and register an artifact; print its model id alone. The same bytes and name: the same id."""
    from streamproc.operations.registry import publish_file  # noqa: PLC0415 - keeps `--help` fast

    output.line(
        publish_file(
            configuration.load().settings,
            file,
            name=name,
            format_name=format_name,
            features=None if features is None else [feature.strip() for feature in features.split(",")],
            tenants=tenant or (),
            description=description,
        )
    )


@group.command("assign")
@configured
def assign(
    configuration: Configuration,
    *,
    tenant: TenantOption,
    model: Annotated[str, typer.Option(help="A model id, NAME@VERSION.")],
) -> None:
    """Let a model serve a tenant from now on."""
    from streamproc.app.models import open_registry  # noqa: PLC0415 - keeps `--help` fast

    with open_registry(configuration.load().settings) as registry:
        revision = registry.assign(tenant, model)
    output.message(f"{tenant} is served by {model} (revision {revision})")


@group.command("rollback")
@configured
def rollback(configuration: Configuration, *, tenant: TenantOption) -> None:
    """Restore what preceded the tenant's current assignment, and print its model id; again: one further back."""
    from streamproc.app.models import open_registry  # noqa: PLC0415 - keeps `--help` fast

    with open_registry(configuration.load().settings) as registry:
        restored = registry.rollback(tenant)
    output.line(restored.model_id)
    output.message(f"{tenant} is served by {restored.model_id} again (revision {restored.revision})")


@group.command("history")
@configured
def history(configuration: Configuration, *, tenant: TenantOption, json: JsonOption = False) -> None:
    """List a tenant's assignments, newest first."""
    from streamproc.app.models import open_registry_to_read  # noqa: PLC0415 - keeps `--help` fast

    with open_registry_to_read(configuration.load().settings) as registry:
        assignments = registry.history(tenant)
    rows = [(one.revision, one.model_id, one.created_at.isoformat(), one.created_by) for one in assignments]
    output.rows(("revision", "model_id", "created_at", "created_by"), rows, json=json)


@group.command("list")
@configured
def list_models(configuration: Configuration, *, json: JsonOption = False) -> None:
    """List every model and the tenants that it serves."""
    from streamproc.operations.registry import listed_models  # noqa: PLC0415 - keeps `--help` fast

    models = listed_models(configuration.load().settings)
    if json:
        output.json_text(models)
        return
    headings = ("model_id", "format", "nbytes", "created_at", "serves")
    output.rows(headings, [[*(model[name] for name in headings[:-1]), len(model["serves"])] for model in models], json=False)


@group.command("show")
@configured
def show(
    configuration: Configuration,
    *,
    model: Annotated[str, typer.Argument(help="A model id, NAME@VERSION.")],
    json: JsonOption = False,
) -> None:
    """Show one model: features, output, digest, owners, the tenants that it serves, and whether it is compiled or why not."""
    from streamproc.operations.registry import described_model  # noqa: PLC0415 - keeps `--help` fast

    described = described_model(configuration.load().settings, model)
    if json:
        output.json_text(described)
    for name, value in () if json else described.items():
        output.fields((f"{name}:", _listed(value)))


def _listed(value: object) -> output.Cell:
    match value:
        case dict():
            return ", ".join(f"{name} {version}" for name, version in value.items())
        case list():
            return ", ".join(map(str, value))
        case None | str() | int() | float():
            return value
    return str(value)


@group.command("formats")
@configured
def formats(configuration: Configuration, *, json: JsonOption = False) -> None:
    """List the formats, which of them are allowed here, and the types that skops artifacts may hold."""
    from streamproc.operations.registry import described_formats  # noqa: PLC0415 - keeps `--help` fast

    described = described_formats(configuration.load().settings)
    if json:
        output.json_text(described)
        return
    headings = ("name", "suffixes", "allowed", "note")
    rows = [[one["name"], " ".join(one["suffixes"]), one["allowed"], one["note"]] for one in described["formats"]]
    output.rows(headings, rows, json=False)
    output.line("\ntypes that a skops artifact may hold:")
    for name in described["trusted_types"]:
        output.line(f"  {name}")
