"""Programs that PyPI does not have: where they are, or what to run to get them. `.ci/run` installs them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "bin"

_DEBIAN = "apt-get install --no-install-recommends prometheus"
_HINTS = {
    "promtool": _DEBIAN,
    "prometheus": _DEBIAN,
    "versitygw": f"GOBIN={CACHE} go install github.com/versity/versitygw/cmd/versitygw@v1.8.0",
}


def find_tool(name: str) -> Path:
    """The program's path, from PATH or the tests' own cache; fails the test with the command that installs it."""
    found = shutil.which(name) or shutil.which(name, path=CACHE)
    if found is None:
        pytest.fail(f"{name} is needed for this test and is neither on PATH nor in {CACHE}. Install it: {_HINTS[name]}")
    return Path(found)
