"""A real S3 server over a folder, which, unlike moto, refuses wrong credentials."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.processes import free_port, wait_until
from support.tools import find_tool


@dataclass(frozen=True)
class S3Gateway:
    """Where it listens, and whom it lets in."""

    endpoint_url: str
    access_key: str = "tests-access"
    secret_key: str = "tests-secret"  # noqa: S105 - of a server that lives as long as the test

    def environment(self) -> dict[str, str]:
        """The variables with which a process of its own gets in."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - the server of this test
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def running_gateway(folder: Path) -> Iterator[S3Gateway]:
    """An empty server that keeps its buckets in `folder`."""
    buckets = folder / "buckets"
    buckets.mkdir()
    gateway = S3Gateway(f"http://127.0.0.1:{free_port()}")
    settings = {
        "ROOT_ACCESS_KEY": gateway.access_key,
        "ROOT_SECRET_KEY": gateway.secret_key,
        "VGW_PORT": gateway.endpoint_url.removeprefix("http://"),
        "VGW_HEALTH": "/health",
        "VGW_QUIET": "true",
    }
    with (folder / "versitygw.log").open("wb") as log:
        command = [str(find_tool("versitygw")), "posix", str(buckets)]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(f"{gateway.endpoint_url}/health"), "versitygw answers", 20)
        yield gateway
    finally:
        process.kill()
        process.wait(10)
