"""What every artifact store promises, in a directory and in a bucket."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from support.processes import free_port
from support.s3 import S3Server, s3_server

from streamproc.errors import Reason, RecordError, RefusedError, TransientError
from streamproc.models.base import ArtifactStore, ModelRepository, OutputKind
from streamproc.models.catalog import Artifact, NewArtifact
from streamproc.models.files import FileArtifactStore, FileSystemModelRepository
from streamproc.models.formats import ModelFormats
from streamproc.models.s3 import S3ArtifactStore, S3ModelRepository
from streamproc.models.stored import digest_of, store_key


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


class Catalog:
    """What is registered, in memory."""

    def __init__(self) -> None:
        self.artifacts: dict[str, Artifact] = {}

    def artifact(self, model_id: str) -> Artifact:
        return self.artifacts[model_id]

    def add(self, data: bytes, format_name: str = "skops") -> NewArtifact:
        digest = digest_of(data)
        key = store_key(digest, format_name)
        content = NewArtifact("m", digest, format_name, len(data), key, ("a", "b"), OutputKind.DOUBLE)
        self.artifacts["m@1"] = Artifact("m@1", 1, content, datetime(2026, 1, 1, tzinfo=UTC), "test")
        return content


@dataclass(frozen=True)
class Place:
    """A store, a repository over it, and a way to change what is stored behind their back."""

    store: ArtifactStore
    repository: ModelRepository
    catalog: Catalog
    file: Path | None
    s3: S3Server | None
    bucket: str

    def overwrite(self, name: str, data: bytes) -> None:
        if self.file is not None:
            (self.file / name).write_bytes(data)
        elif self.s3 is not None:
            self.s3.client.put_object(Bucket=self.bucket, Key=f"some/prefix/{name}", Body=data)


@pytest.fixture(params=["files", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    catalog, formats = Catalog(), ModelFormats(("skops", "pickle"))
    if request.param == "files":
        root = tmp_path / "models"
        repository = FileSystemModelRepository(root, catalog, formats=formats)
        return Place(FileArtifactStore(root), repository, catalog, root, None, "")
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.new_bucket()
    endpoint = server.endpoint_url
    return Place(
        S3ArtifactStore(bucket, "some/prefix", endpoint_url=endpoint),
        S3ModelRepository(bucket, catalog, prefix="some/prefix", endpoint_url=endpoint, formats=formats),
        catalog,
        None,
        server,
        bucket,
    )


def linear() -> LinearRegression:
    return LinearRegression().fit(np.array([[0.0, 1.0], [1.0, 0.5], [2.0, 7.0]]), [1.0, 2.0, 4.0])


def test_what_was_put_is_got(place: Place) -> None:
    place.store.put("ab/one.skops", b"bytes\0of a model")
    assert place.store.get("ab/one.skops", 100) == b"bytes\0of a model"


def test_the_same_bytes_may_be_put_again(place: Place) -> None:
    place.store.put("ab/one", b"x")
    place.store.put("ab/one", b"x")
    assert place.store.get("ab/one", 1) == b"x"


def test_other_bytes_never_replace_what_a_name_holds(place: Place) -> None:
    place.store.put("ab/one", b"first")
    with pytest.raises(RefusedError, match="other content"):
        place.store.put("ab/one", b"second")
    assert place.store.get("ab/one", 10) == b"first"


def test_an_absent_name_is_a_key_error_once_the_store_answers(place: Place) -> None:
    place.store.put("ab/one", b"x")
    with pytest.raises(KeyError):
        place.store.get("ab/two", 10)


def test_no_more_bytes_are_taken_than_were_asked_for(place: Place) -> None:
    place.store.put("ab/one", b"12345")
    with pytest.raises(RecordError, match="4 bytes") as caught:
        place.store.get("ab/one", 4)
    assert caught.value.reason is Reason.MODEL_REJECTED


@pytest.mark.parametrize("name", ["../one", "/etc/passwd", "a/../../b", "a//b", "", ".hidden", "a\\b", "a\0b", "a/./b", "é"])
def test_no_name_leads_out_of_the_store(place: Place, name: str) -> None:
    with pytest.raises(RecordError, match="can't be a name"):
        place.store.put(name, b"x")
    with pytest.raises(RecordError, match="can't be a name"):
        place.store.get(name, 10)


def test_a_published_model_predicts_what_its_estimator_does(place: Place) -> None:
    estimator = linear()
    data = skops.io.dumps(estimator)
    place.store.put(place.catalog.add(data).store_key, data)
    rows = np.array([[0.1, 0.2], [3.0, -1.0]])
    predicted = place.repository.get_model("m@1").predict(pd.DataFrame(rows, columns=["a", "b"]))
    np.testing.assert_array_equal(predicted, estimator.predict(rows))


class Canary:
    """Its unpickling leaves a trace."""

    sang = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Canary.sing, ()

    @staticmethod
    def sing() -> None:
        Canary.sang = True


def test_a_replaced_artifact_is_rejected_before_anything_is_deserialized(place: Place) -> None:
    Canary.sang = False
    honest = pickle.dumps(linear())
    content = place.catalog.add(honest, "pickle")
    place.store.put(content.store_key, honest)
    evil = pickle.dumps(Canary())
    place.overwrite(content.store_key, evil + bytes(len(honest) - len(evil)))  # of the same size
    with pytest.raises(RecordError, match="not what was published") as caught:
        place.repository.get_model("m@1")
    assert (caught.value.reason, caught.value.model_id) == (Reason.MODEL_REJECTED, "m@1")
    assert not Canary.sang
    pickle.loads(evil)  # noqa: S301 - the canary does sing where it is let
    assert Canary.sang


@pytest.mark.parametrize("change", [b"", b"short"])
def test_a_truncated_artifact_is_rejected(place: Place, change: bytes) -> None:
    data = skops.io.dumps(linear())
    content = place.catalog.add(data)
    place.store.put(content.store_key, data)
    place.overwrite(content.store_key, change)
    with pytest.raises(RecordError, match="not what was published"):
        place.repository.get_model("m@1")


def test_a_longer_artifact_is_rejected(place: Place) -> None:
    data = skops.io.dumps(linear())
    content = place.catalog.add(data)
    place.store.put(content.store_key, data)
    place.overwrite(content.store_key, data + b"more")
    with pytest.raises(RecordError, match="more than") as caught:
        place.repository.get_model("m@1")
    assert caught.value.model_id == "m@1"


def test_a_registered_artifact_that_is_not_in_the_store_is_model_missing(place: Place) -> None:
    place.store.put("ab/other", b"x")
    place.catalog.add(b"never stored")
    with pytest.raises(RecordError, match="not in the store") as caught:
        place.repository.get_model("m@1")
    assert caught.value.reason is Reason.MODEL_MISSING


def test_a_format_that_is_not_allowed_is_rejected_without_reading(place: Place) -> None:
    place.catalog.add(b"anything", "joblib")
    with pytest.raises(RecordError, match=r"models\.formats allows skops, pickle") as caught:
        place.repository.get_model("m@1")
    assert caught.value.reason is Reason.MODEL_REJECTED


def test_a_bucket_that_is_not_there_is_waited_for(s3: S3Server) -> None:
    store = S3ArtifactStore("no-such-bucket", endpoint_url=s3.endpoint_url)
    for action in (lambda: store.get("a", 1), lambda: store.put("a", b""), store.check):
        with pytest.raises(TransientError, match=r"s3://no-such-bucket/ at http://127.+ does not serve \(NoSuchBucket\)"):
            action()


def test_a_server_that_is_not_there_is_waited_for_and_secrets_stay_secret(s3: S3Server) -> None:
    del s3  # only for the credentials in the environment
    store = S3ArtifactStore("bucket", endpoint_url=f"http://user:top-secret@127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match=r"s3://bucket/ at http://\*\*\*@127.*\(EndpointConnectionError\)") as caught:
        store.get("a", 1)
    assert "secret" not in str(caught.value)


def test_without_credentials_the_store_is_waited_for(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(TransientError, match=r"does not serve \(NoCredentialsError\); .*credentials"):
        S3ArtifactStore("bucket", endpoint_url=s3.endpoint_url).get("a", 1)


class OldStore(BaseHTTPRequestHandler):
    """An S3 store that knows no conditional writes, as older ones answer."""

    held: ClassVar[dict[str, bytes]] = {}

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if "If-None-Match" in self.headers:
            self.answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        else:
            self.held[self.path] = data
            self.answer(200, b"")

    def do_GET(self) -> None:
        if self.path in self.held:
            self.answer(200, self.held[self.path])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        del arguments


def test_a_store_without_conditional_writes_is_written_to_all_the_same(s3: S3Server) -> None:
    del s3  # only for the credentials in the environment
    with ThreadingHTTPServer(("127.0.0.1", 0), OldStore) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            store = S3ArtifactStore("bucket", endpoint_url=f"http://127.0.0.1:{server.server_port}")
            store.put("a/one", b"x")
            store.put("a/one", b"x")
            assert store.get("a/one", 1) == b"x"
            with pytest.raises(RefusedError, match="other content"):
                store.put("a/one", b"y")
            assert OldStore.held == {"/bucket/a/one": b"x"}
        finally:
            server.shutdown()
            thread.join(30)


class Doorkeeper(BaseHTTPRequestHandler):
    """What stands before a store that is away, and says that it knows no such place."""

    body: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments: object) -> None:
        del arguments


@pytest.mark.parametrize(
    "body", [b"", b"404 page not found\n", b'{"message": "no route"}', b"<html><br></html>", b"<a><Code/></a>"]
)
def test_a_404_that_is_not_the_stores_own_is_waited_for_and_no_artifact_is_called_missing(s3: S3Server, body: bytes) -> None:
    del s3  # only for the credentials in the environment
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Doorkeeper,), {"body": body})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            store = S3ArtifactStore("bucket", endpoint_url=f"http://127.0.0.1:{server.server_port}")
            with pytest.raises(TransientError, match=r"does not serve \((404|unknown)\)"):
                store.get("a/one", 1)
        finally:
            server.shutdown()
            thread.join(30)


def test_a_directory_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    store = FileArtifactStore(tmp_path / "not-mounted")
    for action in (lambda: store.get("a", 1), store.check):
        with pytest.raises(TransientError, match=r"not-mounted .*\(ENOENT\); is it mounted"):
            action()


def test_a_repository_of_each_kind_takes_the_formats_of_the_operator(place: Place) -> None:
    content = place.catalog.add(b"not a pickle", "pickle")
    place.store.put(content.store_key, b"not a pickle")
    with pytest.raises(RecordError, match=r"can't be read as pickle \(UnpicklingError\)"):
        place.repository.get_model("m@1")


def test_a_store_key_changed_by_hand_leads_nowhere(place: Place) -> None:
    content = replace(place.catalog.add(b"x"), store_key="../../secrets")
    place.catalog.artifacts["m@1"] = replace(place.catalog.artifacts["m@1"], content=content)
    with pytest.raises(RecordError, match="can't be a name") as caught:
        place.repository.get_model("m@1")
    assert caught.value.reason is Reason.MODEL_REJECTED
