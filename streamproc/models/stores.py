"""Which artifact store a setting names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from streamproc.errors import ConfigurationError
from streamproc.models.base import ArtifactStore

_BUCKET = re.compile(r"[a-z0-9A-Z][a-z0-9A-Z._-]{1,61}[a-z0-9A-Z]")


@dataclass(frozen=True, slots=True)
class FileStoreUrl:
    """A directory."""

    root: Path


@dataclass(frozen=True, slots=True)
class S3StoreUrl:
    """A place in a bucket."""

    bucket: str
    prefix: str
    """Without slashes at its ends; may be empty."""


def parse_store_url(url: str) -> FileStoreUrl | S3StoreUrl:
    """What models.store means.

    Args:
        url: `file:DIRECTORY`, `file:///DIRECTORY`, `s3://BUCKET` or `s3://BUCKET/PREFIX`.

    Raises:
        ConfigurationError: none of these.

    """
    scheme, found, rest = url.partition(":")
    if found and scheme == "file":
        path = rest[2:] if rest.startswith("///") else rest
        if path and not path.startswith("//"):
            return FileStoreUrl(Path(path))
    if found and scheme == "s3" and rest.startswith("//"):
        bucket, _, prefix = rest[2:].partition("/")
        segments = [segment for segment in prefix.split("/") if segment]
        if _BUCKET.fullmatch(bucket) and not any(segment in (".", "..") for segment in segments):
            return S3StoreUrl(bucket, "/".join(segments))
    raise ConfigurationError(f"models.store: expected file:DIRECTORY or s3://BUCKET/PREFIX, found {without_credentials(url)!r}")


def open_store(url: str, *, s3_endpoint_url: str | None = None) -> ArtifactStore:
    """The store that models.store names; asks nobody yet.

    Raises:
        ConfigurationError: no such store can be.

    """
    match parse_store_url(url):
        case FileStoreUrl(root):
            from streamproc.models.files import FileArtifactStore  # noqa: PLC0415 - commands that need no store don't pay

            return FileArtifactStore(root)
        case S3StoreUrl(bucket, prefix):
            from streamproc.models.s3 import S3ArtifactStore  # noqa: PLC0415 - a second of imports for those who use S3

            return S3ArtifactStore(bucket, prefix, endpoint_url=s3_endpoint_url)


def without_credentials(url: str) -> str:
    """The URL as it may be printed."""
    return re.sub(r"//[^/@]*@", "//***@", url)
