"""A container that can't write to its disk starts with the kernels of its image and compiles none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.manifests import DEPLOY

KERNELS = """
import numba

@numba.njit(cache=True)
def double(x):
    return 2 * x

@numba.njit(cache=True)
def triple(x):
    return 3 * x
"""


def _run(code: str, folder: Path, **variables: str) -> str:
    """Runs `code` in a process of its own, as in a container; returns numba's notes about its cache."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{DEPLOY}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_DEBUG_CACHE": "1",
        **variables,
    }
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def _in_container(code: str, folder: Path, cache: Path) -> str:
    return _run(
        code,
        folder,
        NUMBA_CACHE_DIR=str(cache),
        NUMBA_CACHE_LOCATOR_CLASSES="prebuilt_kernels.SeededCacheLocator,prebuilt_kernels.ReadOnlyCacheLocator",
        PREBUILT_KERNELS_DIR=str(folder / "prebuilt"),
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two kernels and, as image build leaves it, the compiled code of one of them."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "kernels.py").write_text(KERNELS)
    notes = _run("import kernels; kernels.double(1)", folder, NUMBA_CACHE_DIR=str(folder / "prebuilt"))
    assert "data saved" in notes
    return folder


def test_kernels_of_the_image_are_loaded_and_not_compiled(image: Path, tmp_path: Path) -> None:
    notes = _in_container("import kernels; assert kernels.double(21) == 42", image, tmp_path / "kernels")
    assert "data loaded" in notes
    assert "saved" not in notes


def test_kernels_of_the_image_are_loaded_where_nothing_is_writable(image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes = _in_container("import kernels; assert kernels.double(21) == 42", image, tmp_path / "file" / "kernels")
    assert f"data loaded from '{image / 'prebuilt'}" in notes


def test_a_kernel_that_the_image_lacks_is_compiled_into_the_writable_folder(image: Path, tmp_path: Path) -> None:
    code = "import kernels; assert kernels.double(21) == 42; assert kernels.triple(2) == 6"
    assert f"data saved to '{tmp_path}" in _in_container(code, image, tmp_path / "kernels")
    assert "saved" not in _in_container(code, image, tmp_path / "kernels")
    assert not list((image / "prebuilt").rglob("*triple*"))
