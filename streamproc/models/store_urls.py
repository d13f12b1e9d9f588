"""What the setting models.store means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from streamproc.errors import ConfigurationError

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


def without_credentials(url: str) -> str:
    """The URL as it may be printed."""
    return re.sub(r"//[^/@]*@", "//***@", url)
