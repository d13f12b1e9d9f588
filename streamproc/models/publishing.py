"""Publishing an artifact: it is loaded and tried exactly as the processor will, before anybody can be assigned to it."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Protocol

from streamproc.errors import RecordError, RefusedError
from streamproc.models.base import ArtifactStore, Model, ModelMetadata
from streamproc.models.catalog import Artifact, NewArtifact
from streamproc.models.formats import ModelFormats
from streamproc.models.stored import digest_of, store_key

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LIBRARIES = {
    "skops": ("scikit-learn", "numpy", "skops"),
    "joblib": ("scikit-learn", "numpy", "joblib"),
    "pickle": ("scikit-learn", "numpy"),
    "onnx": ("onnxruntime", "numpy"),
}
_MAX_PROBLEMS = 10

Problems = Callable[[ModelMetadata], Sequence[str]]
"""Why records can't give a model its features, by the schemas that are configured; empty where they can."""


class Registrar(Protocol):
    """What publishing needs of `ModelRegistry`."""

    def publish(self, content: NewArtifact, tenants: Sequence[str] = ()) -> Artifact:
        """See `ModelRegistry.publish`."""


class ModelPublisher:
    """Checks, stores and registers artifacts."""

    def __init__(
        self,
        store: ArtifactStore,
        registry: Registrar,
        formats: ModelFormats,
        *,
        max_bytes: int,
        problems: Problems = lambda _: (),
    ) -> None:
        """Compose.

        Args:
            store: gets the bytes first, so that nothing is registered that isn't there.
            registry: numbers the artifact.
            formats: the allowed ones.
            max_bytes: the model cache's size.
            problems: checks the features against the schemas of the records.

        """
        self._store = store
        self._registry = registry
        self._formats = formats
        self._max_bytes = max_bytes
        self._problems = problems

    def publish(
        self,
        data: bytes,
        *,
        name: str,
        format_name: str,
        features: Sequence[str] | None = None,
        tenants: Sequence[str] = (),
        description: str = "",
    ) -> Artifact:
        """Make the bytes a model that tenants can be assigned to. The same bytes under the same name: the same artifact.

        Args:
            data: the artifact.
            name: 1 to 100 letters, digits, dots, hyphens and underscores; the first a letter or a digit.
            format_name: of `formats.FORMATS`.
            features: where the model was fitted without names.
            tenants: own the artifact and get it at once; none: any tenant may be assigned to it later.
            description: for people.

        Raises:
            RefusedError: it can't be published; says why and what to do. Nothing was registered.
            TransientError: the store or the registry does not answer.

        """
        if _NAME.fullmatch(name) is None:
            raise RefusedError(
                f"{name[:120]!a} can't be a model's name; expected 1 to 100 letters, digits, '.', '-' or '_', beginning with a "
                "letter or a digit"
            )
        model = self._checked(data, format_name, features)
        digest = digest_of(data)
        content = NewArtifact(
            name=name,
            digest=digest,
            format=format_name,
            nbytes=len(data),
            store_key=store_key(digest, format_name),
            feature_names=model.metadata.feature_names,
            output_kind=model.metadata.output_kind,
            classes=model.metadata.classes,
            n_columns=model.metadata.n_columns,
            libraries=_libraries(format_name),
            description=description,
        )
        self._store.put(content.store_key, data)
        return self._registry.publish(content, tenants)

    def _checked(self, data: bytes, format_name: str, features: Sequence[str] | None) -> Model:
        try:
            model = self._formats.load(data, format_name, features)
            nbytes = model.nbytes
        except RecordError as error:
            raise RefusedError(error.message) from error
        except Exception as error:
            text = f"loading the artifact raises {type(error).__name__}; dump it with the libraries installed here"
            raise RefusedError(text) from error
        if nbytes > self._max_bytes:
            raise RefusedError(
                f"the model needs {nbytes} bytes of memory, more than models.cache_bytes = {self._max_bytes}; raise that, or "
                "make the model smaller"
            )
        problems = list(self._problems(model.metadata))
        if problems:
            raise RefusedError(_joined(problems))
        return model


def _joined(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
    return f"records can't give the model its features: {'; '.join(problems[:_MAX_PROBLEMS])}{more}"


def _libraries(format_name: str) -> Mapping[str, str]:
    versions = {library: metadata.version(library) for library in _LIBRARIES[format_name]}
    return {"python": platform.python_version(), **versions}
