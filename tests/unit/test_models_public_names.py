"""The Python API that users import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import streamproc

PUBLIC = {
    "CachedModelRepository",
    "FileSystemModelRepository",
    "Model",
    "ModelInfoRepository",
    "ModelRepository",
    "S3ModelRepository",
    "SQLAlchemyModelInfoRepository",
    "SklearnModel",
}


def test_the_public_names_are_those_of_the_contract() -> None:
    assert set(streamproc.__all__) == PUBLIC
    assert set(dir(streamproc)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_a_class_of_that_name(name: str) -> None:
    assert getattr(streamproc, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'streamproc' has no attribute 'Nothing'"):
        streamproc.Nothing  # type: ignore[attr-defined]  # noqa: B018 - the access is what is tested


def test_importing_the_package_loads_no_heavy_library() -> None:
    script = (
        "import sys, streamproc, streamproc.models, streamproc.models.sql; "
        "print([m for m in ('sklearn', 'pandas', 'skops', 'boto3', 'sqlalchemy', 'alembic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
