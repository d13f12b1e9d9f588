"""The artifact store that a setting names."""

from __future__ import annotations

from streamproc.models.base import ArtifactStore
from streamproc.models.store_urls import FileStoreUrl, S3StoreUrl, parse_store_url


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
