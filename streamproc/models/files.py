"""Artifacts in a directory."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from streamproc.errors import Reason, RecordError, RefusedError, Stage, TransientError
from streamproc.models.base import ArtifactStore
from streamproc.models.catalog import ModelCatalog
from streamproc.models.formats import ModelFormats
from streamproc.models.stored import StoredModelRepository, check_key, too_large

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class FileArtifactStore(ArtifactStore):
    """Each artifact is a file below one directory. Neither names nor symbolic links lead out of it.

    A file appears complete or not at all, and survives a crash of the machine once `put` has returned.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root).absolute()

    def put(self, name: str, data: bytes) -> None:
        """See `ArtifactStore`."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            path = self._path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, data)
        except OSError as error:
            raise self._unavailable(error, f"can't write {name}") from error

    def get(self, name: str, max_bytes: int) -> bytes:
        """See `ArtifactStore`. A root that is not there is a store that does not answer: it may not be mounted yet."""
        try:
            with self._path(name).open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            if error.errno in _ABSENT and self._root.is_dir():
                raise KeyError(name) from None
            raise self._unavailable(error, f"can't read {name}") from error
        if len(data) > max_bytes:
            raise too_large(name, max_bytes)
        return data

    def check(self) -> None:
        """Raise unless the directory is there and can be listed.

        Raises:
            TransientError: names the directory.

        """
        try:
            next(os.scandir(self._root), None)
        except OSError as error:
            raise self._unavailable(error, "can't be listed") from error

    def _path(self, name: str) -> Path:
        path = self._root / check_key(name)
        if not path.resolve().is_relative_to(self._root.resolve()):
            text = f"{name} in the artifact store {self._root} is a link that leads out of it; put the file itself there"
            raise RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text)
        return path

    def _write(self, path: Path, data: bytes) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            _move_unless_there(Path(temporary), path, data)
        finally:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
        _sync_directory(path.parent)

    def _unavailable(self, error: OSError, what: str) -> TransientError:
        name = errno.errorcode.get(error.errno or 0, "an input/output error")
        return TransientError(f"the artifact store {self._root} {what} ({name}); is it mounted, and has this user the rights?")


def _move_unless_there(temporary: Path, path: Path, data: bytes) -> None:
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces what somebody else has put there
    except FileExistsError:
        if path.read_bytes() != data:
            raise RefusedError(
                f"{path.name} is in the artifact store with other content; was it damaged? Remove it first"
            ) from None
    except OSError:  # a file system without hard links
        temporary.replace(path)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # directories can't be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileSystemModelRepository(StoredModelRepository):
    """Loads the artifacts that a catalog describes out of a directory."""

    def __init__(self, root: str | Path, catalog: ModelCatalog, *, formats: ModelFormats | None = None) -> None:
        super().__init__(FileArtifactStore(root), catalog, formats=formats)
