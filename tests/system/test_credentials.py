"""Credentials of the artifact store, against a server that refuses wrong ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import boto3
import pytest
from support.versitygw import S3Gateway, running_gateway

from streamproc.errors import TransientError
from streamproc.models.s3 import S3ArtifactStore

BUCKET = "models"
STORED = "ab/stored"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Gateway]:
    """A server with one bucket, which holds one artifact."""
    with running_gateway(tmp_path_factory.mktemp("s3")) as running:
        client = boto3.client(
            "s3",
            endpoint_url=running.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=running.access_key,
            aws_secret_access_key=running.secret_key,
        )
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=STORED, Body=b"artifact")
        yield running


@pytest.fixture
def enter(gateway: S3Gateway, monkeypatch: pytest.MonkeyPatch) -> Callable[..., S3ArtifactStore]:
    """Opens a store the way the processor does, with credentials from the environment."""

    def open_store(bucket: str = BUCKET, **variables: str) -> S3ArtifactStore:
        for name, value in {**gateway.environment(), **variables}.items():
            monkeypatch.setenv(name, value)
        return S3ArtifactStore(bucket, endpoint_url=gateway.endpoint_url)

    return open_store


def test_with_the_right_credentials_artifacts_come_and_go(enter: Callable[..., S3ArtifactStore]) -> None:
    store = enter()
    store.check()
    store.put("cd/new", b"another")
    assert (store.get(STORED, 100), store.get("cd/new", 100)) == (b"artifact", b"another")


def test_an_artifact_that_is_not_there_is_missing_and_not_waited_for(enter: Callable[..., S3ArtifactStore]) -> None:
    with pytest.raises(KeyError):
        enter().get("ab/absent", 100)


@pytest.mark.parametrize("name", [STORED, "ab/absent"])
@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "not-the-secret"}, "XAdminUserNotFound"),
        ({"bucket": "no-such-bucket"}, "NoSuchBucket"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket"],
)
def test_a_store_that_lets_nobody_in_is_waited_for_and_no_model_is_called_missing(
    enter: Callable[..., S3ArtifactStore], gateway: S3Gateway, refused: dict[str, str], code: str, name: str
) -> None:
    """A server may answer 404 to an unknown key; that must not be taken for a missing artifact."""
    store = enter(**refused)
    where = re.escape(f"s3://{refused.get('bucket', BUCKET)}/ at {gateway.endpoint_url} does not serve ({code})")
    for action in (lambda: store.get(name, 100), lambda: store.put(name, b"artifact"), store.check):
        with pytest.raises(TransientError, match=where) as caught:
            action()
        assert "not-the-secret" not in str(caught.value)
        assert gateway.secret_key not in str(caught.value)
