"""Where numba finds the kernels that were compiled at image build; named by NUMBA_CACHE_LOCATOR_CLASSES in the image.

numba takes a cache folder only if it can write to it, so a cache baked into an image is ignored by a container whose root file
system is read-only or whose user is not root, and a function marked `cache=True` then fails at import. Here the baked folder
(`PREBUILT_KERNELS_DIR`) seeds the writable one (`NUMBA_CACHE_DIR`, on a tmpfs), or is read in place where nothing is writable.
"""  # noqa: INP001 - a single module, copied into the image's site-packages

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator


def _prebuilt(cache_path: str) -> Path:
    """The baked counterpart of one module's cache folder."""
    return Path(os.environ["PREBUILT_KERNELS_DIR"]) / Path(cache_path).name


class SeededCacheLocator(UserProvidedCacheLocator):
    """The writable cache folder, filled from the baked one on first use; many processes may do so at once."""

    def ensure_cache_path(self) -> None:
        """Raises OSError where nothing is writable; numba then asks the next locator."""
        target = Path(self._cache_path)
        target.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=target).close()
        # Compiled code (.nbc) before the index (.nbi) that names it, for a process that meets the folder half filled.
        for source in sorted(_prebuilt(self._cache_path).glob("*.nb[ci]"), key=lambda path: path.suffix):
            if not (target / source.name).exists():
                _copy_whole(source, target / source.name)


class ReadOnlyCacheLocator(UserProvidedCacheLocator):
    """The baked folder itself. A kernel that is not in it makes numba fail with the folder's name when it tries to store it."""

    def get_cache_path(self) -> str:
        """The baked folder."""
        return str(_prebuilt(self._cache_path))

    def ensure_cache_path(self) -> None:
        """Raises OSError where nothing was baked for this module."""
        if not _prebuilt(self._cache_path).is_dir():
            raise FileNotFoundError(self._cache_path)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy so that a reader sees the whole file or none."""
    descriptor, partial = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)
    Path(partial).replace(target)
