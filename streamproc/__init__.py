"""A Kafka streaming prediction processor: each tenant its own model.

The names of this module are the public API. They are imported at first use: a command that needs no model does not wait for
scikit-learn, boto3 or SQLAlchemy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamproc.models.base import Model, ModelInfoRepository, ModelRepository
    from streamproc.models.cache import CachedModelRepository
    from streamproc.models.files import FileSystemModelRepository
    from streamproc.models.s3 import S3ModelRepository
    from streamproc.models.sklearn import SklearnModel
    from streamproc.models.sql.infos import SQLAlchemyModelInfoRepository

_MODULES = {
    "CachedModelRepository": "streamproc.models.cache",
    "FileSystemModelRepository": "streamproc.models.files",
    "Model": "streamproc.models.base",
    "ModelInfoRepository": "streamproc.models.base",
    "ModelRepository": "streamproc.models.base",
    "S3ModelRepository": "streamproc.models.s3",
    "SQLAlchemyModelInfoRepository": "streamproc.models.sql.infos",
    "SklearnModel": "streamproc.models.sklearn",
}

__all__ = [
    "CachedModelRepository",
    "FileSystemModelRepository",
    "Model",
    "ModelInfoRepository",
    "ModelRepository",
    "S3ModelRepository",
    "SQLAlchemyModelInfoRepository",
    "SklearnModel",
]


if not TYPE_CHECKING:  # a type checker knows the names from above, and that there are no others

    def __getattr__(name: str) -> object:
        """Import a public name at its first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names too, imported or not."""
    return sorted({*globals(), *__all__})
