"""The artifact store in a directory, where its own means matter: links, crashes, rights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamproc.errors import ConfigurationError, Reason, RecordError, TransientError
from streamproc.models.files import FileArtifactStore
from streamproc.models.store_urls import FileStoreUrl, S3StoreUrl, parse_store_url
from streamproc.models.stores import open_store


@pytest.fixture
def store(tmp_path: Path) -> FileArtifactStore:
    (tmp_path / "store").mkdir()
    return FileArtifactStore(tmp_path / "store")


def test_a_link_that_leads_out_of_the_store_is_rejected(store: FileArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "store" / "one").symlink_to(tmp_path / "secret")
    (tmp_path / "store" / "folder").symlink_to(tmp_path)
    for name in ("one", "folder/secret"):
        with pytest.raises(RecordError, match="a link that leads out of it") as caught:
            store.get(name, 100)
        assert caught.value.reason is Reason.MODEL_REJECTED
        with pytest.raises(RecordError, match="a link that leads out of it"):
            store.put(name, b"x")
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_link_within_the_store_is_followed(store: FileArtifactStore, tmp_path: Path) -> None:
    """Kubernetes mounts volumes that way."""
    store.put("real/one", b"x")
    (tmp_path / "store" / "alias").symlink_to(tmp_path / "store" / "real")
    assert store.get("alias/one", 1) == b"x"


def test_a_store_that_is_itself_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "volume")
    store = FileArtifactStore(tmp_path / "store")
    store.put("a/one", b"x")
    assert store.get("a/one", 1) == b"x"


def test_a_write_that_fails_leaves_nothing(store: FileArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device", descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TransientError, match="ENOSPC"):
        store.put("a/one", b"x")
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_nothing_but_the_artifact_is_left_behind(store: FileArtifactStore, tmp_path: Path) -> None:
    store.put("a/one", b"x")
    store.put("a/one", b"x")
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["one"]


def test_without_hard_links_a_file_still_appears_whole(store: FileArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported", str(source), None, str(target))

    monkeypatch.setattr(os, "link", fail)
    store.put("a/one", b"x")
    assert store.get("a/one", 1) == b"x"


def test_a_directory_under_an_artifacts_name_is_as_good_as_nothing(store: FileArtifactStore) -> None:
    store.put("a/one", b"x")
    with pytest.raises(KeyError):
        store.get("a", 10)


def test_other_users_of_the_machine_may_read_artifacts(store: FileArtifactStore, tmp_path: Path) -> None:
    """A publisher and the processor need not be the same user."""
    store.put("a/one", b"x")
    assert (tmp_path / "store/a/one").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:./models", FileStoreUrl(Path("models"))),
        ("file:models", FileStoreUrl(Path("models"))),
        ("file:/srv/models", FileStoreUrl(Path("/srv/models"))),
        ("file:///srv/models", FileStoreUrl(Path("/srv/models"))),
        ("s3://bucket", S3StoreUrl("bucket", "")),
        ("s3://bucket/", S3StoreUrl("bucket", "")),
        ("s3://my.bucket-1/some//prefix/", S3StoreUrl("my.bucket-1", "some/prefix")),
    ],
)
def test_a_store_is_named_by_a_url(url: str, expected: object) -> None:
    assert parse_store_url(url) == expected


BAD_URLS = [
    "",
    "models",
    "file:",
    "file://host/x",
    "s3:x",
    "s3://",
    "s3://b",
    "s3://user:pw@x/y",
    "s3://bucket/../x",
    "gs://bkt",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"models\.store: expected file:DIRECTORY or s3://BUCKET/PREFIX, found"
    ) as caught:
        parse_store_url(url)
    assert "pw" not in str(caught.value)


def test_a_directory_is_opened_without_asking_for_it(tmp_path: Path) -> None:
    assert isinstance(open_store(f"file:{tmp_path}/not-yet"), FileArtifactStore)
    assert not (tmp_path / "not-yet").exists()


@pytest.mark.parametrize("endpoint", ["no-scheme:1", "http://"])
def test_an_endpoint_that_can_not_be_is_a_configuration_error(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"models\.s3_endpoint_url"):
        open_store("s3://bucket/x", s3_endpoint_url=endpoint)
