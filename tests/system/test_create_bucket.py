"""The one-shot service of docker-compose.yml that makes the bucket, against the S3 server that the file starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import boto3
import pytest
from support.manifests import DEPLOY
from support.versitygw import S3Gateway, running_gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Gateway]:
    """A server of this module's own."""
    with running_gateway(tmp_path_factory.mktemp("s3")) as running:
        yield running


def _create(gateway: S3Gateway, bucket: str, **variables: str) -> subprocess.CompletedProcess[str]:
    script = DEPLOY / "compose" / "create_bucket.py"
    command = [sys.executable, str(script), gateway.endpoint_url, bucket]
    environment = {**os.environ, **gateway.environment(), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_bucket_is_made_once_and_kept_afterwards(gateway: S3Gateway) -> None:
    assert _create(gateway, "models").returncode == 0
    client = boto3.client(
        "s3",
        endpoint_url=gateway.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=gateway.access_key,
        aws_secret_access_key=gateway.secret_key,
    )
    client.put_object(Bucket="models", Key="kept", Body=b"1")
    assert _create(gateway, "models").returncode == 0
    assert client.get_object(Bucket="models", Key="kept")["Body"].read() == b"1"
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["models"]


def test_wrong_credentials_end_the_service_with_an_error(gateway: S3Gateway) -> None:
    answer = _create(gateway, "others", AWS_SECRET_ACCESS_KEY="wrong")  # noqa: S106 - is refused
    assert answer.returncode == 1
    assert "SignatureDoesNotMatch" in answer.stderr
