"""Models from an artifact store: described by a catalog, verified before anything is deserialized."""

from __future__ import annotations

import hashlib
import re

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import ArtifactStore, Model, ModelRepository
from streamproc.models.catalog import ModelCatalog, NewArtifact
from streamproc.models.formats import ModelFormats

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}(/[A-Za-z0-9][A-Za-z0-9._-]{0,254}){0,9}")


def digest_of(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def store_key(digest: str, format_name: str) -> str:
    """Where an artifact of these bytes is stored: the same bytes at the same place, whoever publishes them."""
    return f"{digest[:2]}/{digest}.{format_name}"


def check_key(name: str) -> str:
    """The name itself, if all its segments begin with a letter or digit and hold these, dots, hyphens and underscores only.

    Raises:
        RecordError: `model_rejected`: it is not, and might lead out of the store.

    """
    if _KEY.fullmatch(name) is None:
        raise RecordError(
            Reason.MODEL_REJECTED,
            Stage.ROUTE,
            f"{name!r} can't be a name in the artifact store; expected letters, digits, '.', '_' and '-' between slashes. "
            "Was the registry's table of artifacts changed by hand? Publish the model again",
        )
    return name


class StoredModelRepository(ModelRepository):
    """Loads the artifacts that a catalog describes out of a store."""

    def __init__(self, store: ArtifactStore, catalog: ModelCatalog, *, formats: ModelFormats | None = None) -> None:
        """Compose.

        Args:
            store: where the bytes are.
            catalog: what they must be.
            formats: the allowed ones; skops with the built-in types unless given.

        """
        self._store = store
        self._catalog = catalog
        self._formats = formats or ModelFormats()

    def get_model(self, model_id: str) -> Model:
        """See `ModelRepository`."""
        try:
            content = self._catalog.artifact(model_id).content
            self._formats.check_allowed(content.format)
            data = self._read(content, model_id)
            return self._formats.load(data, content.format, content.feature_names)
        except RecordError as error:
            error.model_id = model_id
            raise

    def _read(self, content: NewArtifact, model_id: str) -> bytes:
        try:
            data = self._store.get(content.store_key, content.nbytes)
        except KeyError:
            raise RecordError(
                Reason.MODEL_MISSING,
                Stage.ROUTE,
                f"model {model_id} is registered, but its artifact {content.store_key} is not in the store; publish it again, "
                "or correct models.store",
            ) from None
        if len(data) != content.nbytes or digest_of(data) != content.digest:
            raise RecordError(
                Reason.MODEL_REJECTED,
                Stage.ROUTE,
                f"the artifact {content.store_key} of model {model_id} is not what was published: {len(data)} bytes, and "
                f"{content.nbytes} with another SHA-256 were expected; it was damaged or replaced: publish the model again",
            )
        return data


def too_large(name: str, max_bytes: int) -> RecordError:
    """The error of a store that holds more bytes under a name than may be read."""
    return RecordError(
        Reason.MODEL_REJECTED,
        Stage.ROUTE,
        f"{name} in the artifact store has more than the {max_bytes} bytes that were published; it was damaged or replaced: "
        "publish the model again",
    )
