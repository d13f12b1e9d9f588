"""What is known of an artifact without opening it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from streamproc.models.base import OutputKind


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """An artifact about to be registered: everything but what registering decides."""

    name: str
    digest: str
    """SHA-256 of the bytes, in hexadecimal."""
    format: str
    nbytes: int
    """The size of the artifact itself, not of the model in memory."""
    store_key: str
    """Its name in the artifact store."""
    feature_names: tuple[str, ...]
    output_kind: OutputKind
    classes: tuple[str, ...] | None = None
    n_columns: int | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Library → the version that checked it when it was published."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An immutable published model."""

    model_id: str
    """`NAME@VERSION`"""
    version: int
    """Counts from 1 within the name."""
    content: NewArtifact
    created_at: datetime
    """Aware, in UTC."""
    created_by: str
    tenants: tuple[str, ...] = ()
    """The tenants that it belongs to, sorted; none: any tenant may be assigned to it."""


class ModelCatalog(Protocol):
    """Describes artifacts. Safe to be used by several threads."""

    def artifact(self, model_id: str) -> Artifact:
        """The artifact that the id names.

        Raises:
            RecordError: `model_missing`: there is none.
            TransientError: the catalog does not answer.

        """
