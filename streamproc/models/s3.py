"""Artifacts in a bucket of S3, or of a store that speaks its protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, InvalidConfigError, ProfileNotFound

from streamproc.errors import ConfigurationError, RefusedError, TransientError
from streamproc.models.base import ArtifactStore
from streamproc.models.catalog import ModelCatalog
from streamproc.models.formats import ModelFormats
from streamproc.models.store_urls import without_credentials
from streamproc.models.stored import StoredModelRepository, check_key, too_large

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EXISTS = ("PreconditionFailed", "412", "ConditionalRequestConflict")
_UNSUPPORTED = ("NotImplemented", "InvalidArgument", "InvalidRequest", "501")


class S3ArtifactStore(ArtifactStore):
    """Each artifact is an object below one prefix. Credentials come from where boto3 looks for them. Thread-safe."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None) -> None:
        """Make a client; asks nobody yet.

        Args:
            bucket: must exist.
            prefix: of every object's key, without slashes at its ends.
            endpoint_url: of a store other than AWS's.

        Raises:
            ConfigurationError: the endpoint, bucket or AWS profile can't be.

        """
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._where = f"s3://{bucket}/{self._prefix}" + (f" at {without_credentials(endpoint_url)}" if endpoint_url else "")
        try:
            self._client = _client(endpoint_url)
        except (ValueError, InvalidConfigError, ProfileNotFound) as error:
            raise ConfigurationError(
                f"no S3 client can be made for {self._where} ({type(error).__name__}); correct models.s3_endpoint_url (a "
                "URL with http or https) or the AWS settings of the environment"
            ) from error

    def put(self, name: str, data: bytes) -> None:
        """See `ArtifactStore`."""
        key = self._key(name)
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) in _UNSUPPORTED:
                self._put_unconditionally(key, data)
            elif _code(error) in _EXISTS:
                self._require_same(key, data)
            else:
                raise self._unavailable(error, _code(error)) from error
        except BotoCoreError as error:
            raise self._unavailable(error, type(error).__name__) from error

    def get(self, name: str, max_bytes: int) -> bytes:
        """See `ArtifactStore`."""
        data = self._read(self._key(name), max_bytes)
        if data is None:
            raise KeyError(name)
        if len(data) > max_bytes:
            raise too_large(name, max_bytes)
        return data

    def check(self) -> None:
        """Raise unless the bucket answers.

        Raises:
            TransientError: names the bucket and the endpoint.

        """
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        except ClientError as error:
            raise self._unavailable(error, _code(error)) from error
        except BotoCoreError as error:
            raise self._unavailable(error, type(error).__name__) from error

    def _read(self, key: str, max_bytes: int) -> bytes | None:
        """The first `max_bytes` + 1 bytes; None where there is no such object."""
        try:
            with self._client.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                data: bytes = body.read(max_bytes + 1)
                return data
        except ClientError as error:
            if _code(error) == "NoSuchKey":  # the status alone may come from what stands before a store that is away
                return None
            raise self._unavailable(error, _code(error)) from error
        except BotoCoreError as error:
            raise self._unavailable(error, type(error).__name__) from error

    def _put_unconditionally(self, key: str, data: bytes) -> None:
        """For stores without conditional writes. Two writers of one name write the same bytes: it holds their digest."""
        if self._read(key, len(data)) is not None:
            self._require_same(key, data)
            return
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data)
        except ClientError as error:
            raise self._unavailable(error, _code(error)) from error
        except BotoCoreError as error:
            raise self._unavailable(error, type(error).__name__) from error

    def _require_same(self, key: str, data: bytes) -> None:
        if self._read(key, len(data)) != data:
            raise RefusedError(f"{key} is in {self._where} with other content than its name says; remove it, and publish again")

    def _key(self, name: str) -> str:
        return self._prefix + check_key(name)

    def _unavailable(self, error: Exception, code: str) -> TransientError:
        del error
        return TransientError(
            f"the artifact store {self._where} does not serve ({code}); check that it is up, the bucket exists, and the "
            "credentials are valid for it"
        )


def _client(endpoint_url: str | None) -> S3Client:
    """Time-outs and attempts are bounded: an artifact comes within about a minute or the load is tried again later.

    The default checksums of boto3 are refused by other stores; the digest in the registry is what counts anyway.
    """
    session = boto3.Session()
    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})
    if endpoint_url is None:
        return session.client("s3", config=config)
    other = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    region = session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=endpoint_url, region_name=region, config=config.merge(other))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code") or "unknown")


class S3ModelRepository(StoredModelRepository):
    """Loads the artifacts that a catalog describes out of a bucket."""

    def __init__(
        self,
        bucket: str,
        catalog: ModelCatalog,
        *,
        prefix: str = "",
        endpoint_url: str | None = None,
        formats: ModelFormats | None = None,
    ) -> None:
        super().__init__(S3ArtifactStore(bucket, prefix, endpoint_url=endpoint_url), catalog, formats=formats)
