"""The HTTP endpoints of a replica: /metrics, /livez, /readyz, and nothing else."""

from __future__ import annotations

import errno
import json
import logging
import socket
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Thread

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamproc.errors import ConfigurationError
from streamproc.telemetry.health import Health, Verdict

_MOST_REQUESTS = 16
"""At the same time; more are hung up on, so that nobody can take the replica's threads and memory."""

_REQUEST_SECONDS = 10

_STOP_SECONDS = 0.1
"""How often the listener looks whether it shall close."""

logger = logging.getLogger(__name__)

Answer = tuple[HTTPStatus, str, bytes]
_Connection = socket.socket | tuple[bytes, socket.socket]


class TelemetryServer:
    """Answers from threads of its own from construction until `close`."""

    def __init__(self, registry: CollectorRegistry, health: Health, *, host: str, port: int) -> None:
        """Listen.

        Raises:
            ConfigurationError: not possible there; names the setting.

        """
        self._server = _listening(partial(_Request, registry, health), host, port)
        self.host, self.port = self._server.server_address[:2]
        self._thread = Thread(target=self._server.serve_forever, args=(_STOP_SECONDS,), name="streamproc-http", daemon=True)
        self._thread.start()
        logger.info("Listening on http://%s:%d for /metrics, /livez and /readyz", host, self.port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _listening(request: partial[_Request], host: str, port: int) -> _Server:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return _Server((host, port), request, family)
    except OSError as error:
        raise ConfigurationError(_refusal(error, host, port)) from error


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"http.port: {port} is in use on {host}; free it, name another port, or 0 for any free one"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"http.port: this process has no right to listen on {port}; name a port from 1024 on"
    return f"http.host: expected an address of this machine, found {host!r}; 127.0.0.1 and 0.0.0.0 always work"


class _Server(ThreadingMixIn, TCPServer):
    """One thread a request, up to a bound."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 2 * _MOST_REQUESTS

    def __init__(self, address: tuple[str, int], request: partial[_Request], family: socket.AddressFamily) -> None:
        self.address_family = family
        self._free = BoundedSemaphore(_MOST_REQUESTS)
        super().__init__(address, request)

    def process_request(self, request: _Connection, client_address: object) -> None:
        """Hang up where too many requests are being answered."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: _Connection, client_address: object) -> None:
        """Answer, and be free again whatever happens."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: _Connection, client_address: object) -> None:
        """A client that hung up is no news; a bug in here must not stop the processor."""
        del request, client_address
        logger.debug("A request to the HTTP endpoints failed: %s", type(sys.exception()).__name__)


class _Request(BaseHTTPRequestHandler):
    """Answers GET and HEAD; says nothing of the software behind it."""

    timeout = _REQUEST_SECONDS
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def __init__(
        self, registry: CollectorRegistry, health: Health, request: _Connection, client_address: object, server: TCPServer
    ) -> None:
        self._registry = registry
        self._health = health
        super().__init__(request, client_address, server)

    def version_string(self) -> str:
        """No version of anything."""
        return "streamproc"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Probes come every few seconds; the log has better things to tell."""

    def do_GET(self) -> None:
        """Answer with a body."""
        self._send(self._answer())

    def do_HEAD(self) -> None:
        """Answer without."""
        self._send(self._answer(), with_body=False)

    def _answer(self) -> Answer:
        match self.path.partition("?")[0]:
            case "/metrics":
                encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                return HTTPStatus.OK, content_type, encoder(self._registry)
            case "/livez":
                return _verdict("live", self._health.live)
            case "/readyz":
                return _verdict("ready", self._health.ready)
        return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"404 Not Found\n"

    def _send(self, answer: Answer, *, with_body: bool = True) -> None:
        status, content_type, body = answer
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _verdict(name: str, verdict: Verdict) -> Answer:
    status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    body = {name: verdict.ok, "waiting_for": list(verdict.waiting_for)}
    return status, "application/json", json.dumps(body).encode() + b"\n"
