"""Schema registries for tests: Apicurio in its own process, and a small one in memory that also knows GUIDs and can fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
from support.kafka import free_port

_VERSION: Final = "3.0.9"
_ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{_VERSION}:tar.gz:all"
_CACHE: Final = Path(__file__).parent.parent / ".cache" / f"apicurio-{_VERSION}"
_START_SECONDS: Final = 90.0

Json = Any  # requests and answers are JSON values of any shape


def register(url: str, subject: str, schema: Json) -> int:
    """Register a schema as a producer does; returns its id."""
    answer = httpx.post(f"{url}/subjects/{subject}/versions", json={"schemaType": "AVRO", "schema": json.dumps(schema)})
    answer.raise_for_status()
    return int(answer.json()["id"])


@contextmanager
def apicurio() -> Iterator[str]:
    """A real registry in memory; yields the address of its Confluent-compatible interface."""
    jar = _CACHE / f"apicurio-registry-app-{_VERSION}-runner.jar"
    if not jar.exists():
        _fetch()
    port = free_port()
    settings = {
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
    }
    java = [_tool("java"), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", str(jar)]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        process = subprocess.Popen(java, cwd=folder, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
            _wait_until_ready(url, process, Path(log.name))
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is needed to start the schema registry of the tests; install Java 17 and Maven")
    return found


def _fetch() -> None:
    """The registry's jars from Maven Central; whole or not at all, because test runs may meet here."""
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as folder:
        copy = ["-q", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
        subprocess.run([_tool("mvn"), *copy], check=True, timeout=600, stdout=subprocess.DEVNULL)
        unpacked = Path(folder) / "unpacked"
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            archive.extractall(unpacked, filter="data")
        if not _CACHE.exists():
            unpacked.rename(_CACHE)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the schema registry ended with status {process.returncode}: {log.read_text()[-2000:]}")
        try:
            if httpx.get(f"{url}/subjects").is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the schema registry was not ready after {_START_SECONDS:.0f} s: {log.read_text()[-2000:]}")


class SmallRegistry:
    """What streamproc uses of a registry, with GUIDs as Confluent's has them; `failing` makes it answer otherwise."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.requests: list[str] = []
        self.failing: tuple[int, str] | None = None
        """A status and a body to answer everything with."""

    def guid(self, schema_id: int) -> str:
        """The GUID of a schema."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.schemas[schema_id]))

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        """The status and the JSON value of an answer."""
        self.requests.append(f"{method} {path}")
        routes: list[tuple[str, str, Callable[..., tuple[int, Json]]]] = [
            ("GET", r"/schemas/ids/(\d+)", self._by_id),
            ("GET", r"/schemas/ids/(\d+)/versions", self._versions),
            ("GET", r"/schemas/guids/([0-9a-f-]{36})", self._by_guid),
            ("GET", r"/subjects/([^/]+)/versions/latest", self._latest),
            ("GET", r"/subjects", lambda: (200, sorted(self.subjects))),
            ("POST", r"/subjects/([^/]+)", lambda subject: self._lookup(subject, body)),
            ("POST", r"/subjects/([^/]+)/versions", lambda subject: self._register(subject, body)),
        ]
        for verb, pattern, route in routes:
            match = re.fullmatch(pattern, path)
            if match and verb == method:
                return route(*match.groups())
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _by_id(self, schema_id: str) -> tuple[int, Json]:
        if int(schema_id) not in self.schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, {"schema": self.schemas[int(schema_id)], "guid": self.guid(int(schema_id))}

    def _versions(self, schema_id: str) -> tuple[int, Json]:
        return 200, [
            {"subject": s, "version": ids.index(int(schema_id)) + 1}
            for s, ids in self.subjects.items()
            if int(schema_id) in ids
        ]

    def _by_guid(self, guid: str) -> tuple[int, Json]:
        for schema_id in self.schemas:
            if self.guid(schema_id) == guid:
                return 200, {"schema": self.schemas[schema_id], "guid": guid}
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _latest(self, subject: str) -> tuple[int, Json]:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": "Subject not found"}
        schema_id = self.subjects[subject][-1]
        return 200, {
            "subject": subject,
            "id": schema_id,
            "version": len(self.subjects[subject]),
            "schema": self.schemas[schema_id],
        }

    def _lookup(self, subject: str, body: Json) -> tuple[int, Json]:
        for schema_id in self.subjects.get(subject, []):
            if json.loads(self.schemas[schema_id]) == json.loads(body["schema"]):
                return 200, {"subject": subject, "id": schema_id}
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def _register(self, subject: str, body: Json) -> tuple[int, Json]:
        known = [number for number, text in self.schemas.items() if text == body["schema"]]
        schema_id = known[0] if known else len(self.schemas) + 1
        self.schemas[schema_id] = body["schema"]
        versions = self.subjects.setdefault(subject, [])
        versions += [] if schema_id in versions else [schema_id]
        return 200, {"id": schema_id, "guid": self.guid(schema_id)}


@contextmanager
def served(registry: SmallRegistry) -> Iterator[str]:
    """Serve the registry on a port of 127.0.0.1; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: Json) -> None:
            status, answer = registry.answer(self.command, self.path, body)
            text = json.dumps(answer)
            if registry.failing:
                status, text = registry.failing
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
