"""Settings → the registry, the artifact store, and repositories over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamproc.config import Settings
from streamproc.models.actor import current_actor
from streamproc.models.base import ArtifactStore
from streamproc.models.sql.database import Database
from streamproc.models.sql.infos import SQLAlchemyModelInfoRepository
from streamproc.models.sql.registry import ModelRegistry
from streamproc.models.stores import open_store as store_of

if TYPE_CHECKING:  # scikit-learn takes seconds to import: only who loads models pays for it
    from streamproc.models.formats import ModelFormats
    from streamproc.models.publishing import ModelPublisher
    from streamproc.models.stored import StoredModelRepository


def open_registry(settings: Settings) -> ModelRegistry:
    """The registry of models and assignments, to write to. Connects at first use; the caller closes it."""
    return ModelRegistry(Database(_url(settings)), actor=current_actor())


def open_registry_to_read(settings: Settings) -> ModelRegistry:
    """As `open_registry`, to read from: one that isn't there yet reads as empty, and isn't made."""
    return ModelRegistry(Database.to_read(_url(settings)), actor=current_actor())


def open_infos(settings: Settings) -> SQLAlchemyModelInfoRepository:
    """Tenant → model, as the processor asks; also the catalog of artifacts. Connects at first use; the caller closes it."""
    return SQLAlchemyModelInfoRepository(_url(settings), default_model_id=settings.models.default_model_id)


def open_infos_to_read(settings: Settings) -> SQLAlchemyModelInfoRepository:
    """As `open_infos`, for who must not make a registry that isn't there yet."""
    return SQLAlchemyModelInfoRepository(Database.to_read(_url(settings)), settings.models.default_model_id)


def _url(settings: Settings) -> str:
    return settings.models.database_url.get_secret_value()


def open_store(settings: Settings) -> ArtifactStore:
    """Where artifacts are."""
    return store_of(settings.models.store, s3_endpoint_url=settings.models.s3_endpoint_url)


def open_formats(settings: Settings) -> ModelFormats:
    """What may be loaded."""
    from streamproc.models.formats import ModelFormats  # noqa: PLC0415 - see the top

    return ModelFormats(settings.models.formats, settings.models.trusted_types)


def open_models(settings: Settings, infos: SQLAlchemyModelInfoRepository) -> StoredModelRepository:
    """Model id → model, from the store."""
    from streamproc.models.stored import StoredModelRepository  # noqa: PLC0415 - see the top

    return StoredModelRepository(open_store(settings), infos, formats=open_formats(settings))


@contextmanager
def open_publisher(settings: Settings) -> Iterator[ModelPublisher]:
    """Checks artifacts against the input's schemas, stores and registers them; closed at the end of the block."""
    from streamproc.app.schemas import feature_check  # noqa: PLC0415 - see the top
    from streamproc.models.publishing import ModelPublisher  # noqa: PLC0415 - see the top

    with open_registry(settings) as registry:
        yield ModelPublisher(
            open_store(settings),
            registry,
            open_formats(settings),
            max_bytes=settings.models.cache_bytes,
            problems=feature_check(settings),
        )
