"""What the commands about models ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from streamproc.app.models import open_formats, open_infos_to_read, open_models, open_publisher, open_registry_to_read
from streamproc.config import Settings
from streamproc.errors import ConfigurationError, RecordError, RefusedError, TransientError
from streamproc.models.catalog import Artifact
from streamproc.operations.shown import JsonObject


def publish_file(
    settings: Settings,
    file: Path,
    *,
    name: str,
    format_name: str | None,
    features: Sequence[str] | None,
    tenants: Sequence[str],
    description: str,
) -> str:
    """Publish the artifact in a file; returns its model id.

    Raises:
        ConfigurationError: the file can't be read.
        RefusedError: neither suffix nor `format_name` names a format, or it can't be published.
        TransientError: the store or the registry does not answer.

    """
    from streamproc.models.formats import format_of  # noqa: PLC0415 - imports scikit-learn, which listing models need not

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read ({error.strerror}); name the file of an artifact") from error
    try:
        format_name = format_name or format_of(file.name)
    except ConfigurationError as error:  # not the configuration's fault here
        raise RefusedError(str(error)) from error
    with open_publisher(settings) as publisher:
        artifact = publisher.publish(
            data,
            name=name,
            format_name=format_name,
            features=features,
            tenants=tenants,
            description=description,
        )
    return artifact.model_id


def listed_models(settings: Settings) -> list[JsonObject]:
    """Every artifact with the tenants that it serves, by name and version."""
    with open_registry_to_read(settings) as registry:
        assignments, artifacts = registry.assignments(), registry.list()
    serves: dict[str, list[str]] = {}
    for assignment in assignments:
        serves.setdefault(assignment.model_id, []).append(assignment.tenant)
    return [_described(artifact, serves.get(artifact.model_id, [])) for artifact in artifacts]


def described_model(settings: Settings, model_id: str) -> JsonObject:
    """One artifact with the tenants that it serves, and how it would predict: loaded and compiled to say so.

    Raises:
        RefusedError: there is none of this id.
        TransientError: the registry does not answer.

    """
    with open_registry_to_read(settings) as registry:
        artifact, assignments = registry.show(model_id), registry.assignments()
    described = _described(artifact, [one.tenant for one in assignments if one.model_id == model_id])
    return {**described, **_loaded(settings, model_id)}


def _loaded(settings: Settings, model_id: str) -> JsonObject:
    """What predicts with the model: the kind of kernel, or natively and why; neither, and why, where it can't be loaded."""
    from streamproc.inference.repository import Native, compiled_or_native  # noqa: PLC0415 - as above

    try:
        with open_infos_to_read(settings) as infos:
            found = compiled_or_native(open_models(settings, infos).get_model(model_id))
    except (RecordError, TransientError, ConfigurationError) as error:
        return {"kind": None, "memory_bytes": None, "not_compiled": f"it can't be loaded here: {error}"}
    if isinstance(found, Native):
        return {"kind": "native", "memory_bytes": found.model.nbytes or None, "not_compiled": found.why}
    return {"kind": found.served_by, "memory_bytes": found.nbytes, "not_compiled": None}


def described_formats(settings: Settings) -> JsonObject:
    """Every format, and what the allowed ones may hold."""
    formats = open_formats(settings)
    described = [{**asdict(one), "suffixes": list(one.suffixes)} for one in formats.describe()]
    return {"formats": described, "trusted_types": list(formats.trusted_types)}


def _described(artifact: Artifact, serves: Sequence[str]) -> JsonObject:
    content = artifact.content
    return {
        "model_id": artifact.model_id,
        "format": content.format,
        "nbytes": content.nbytes,
        "digest": f"sha256:{content.digest}",
        "store_key": content.store_key,
        "features": list(content.feature_names),
        "output_kind": content.output_kind.value,
        "classes": None if content.classes is None else list(content.classes),
        "libraries": dict(content.libraries),
        "description": content.description,
        "created_at": artifact.created_at.isoformat(),
        "created_by": artifact.created_by,
        "tenants": list(artifact.tenants),
        "serves": list(serves),
    }
