"""An S3 server in this process. It takes any credentials; their errors are tested against versitygw."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class S3Server:
    """A running server."""

    def __init__(self) -> None:
        self._port = 0
        self._start()
        self.endpoint_url = f"http://127.0.0.1:{self._port}"
        self.client = boto3.client("s3", endpoint_url=self.endpoint_url)

    def new_bucket(self) -> str:
        """The name of an empty bucket of its own."""
        name = f"test-{uuid.uuid4().hex}"
        self.client.create_bucket(Bucket=name)
        return name

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens at its address meanwhile; afterwards it has what it had."""
        self.stop()
        try:
            yield
        finally:
            self._start()

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start the server, with credentials in the environment meanwhile."""
    with patch.dict(os.environ, ENVIRONMENT):
        server = S3Server()
        try:
            yield server
        finally:
            server.stop()
