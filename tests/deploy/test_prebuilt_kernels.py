"""A container that can't write to its disk starts with the kernels of its image and compiles none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.manifests import DEPLOY, ROOT

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
        "PYTHONPATH": os.pathsep.join(map(str, (folder, DEPLOY, ROOT / "tests"))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_DEBUG_CACHE": "1",
        **variables,
    }
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
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


# Other records than those that warm_kernels.py decodes: another framing, nullable and enum fields, unknown to the cache.
DECODE = """
import io
from pathlib import Path

import fastavro
import numpy as np

from streamproc.avro.decoder import Decoder
from streamproc.avro.listed import ListedSchemas, SchemaEntry
from support.records import record_batch

schemas = ListedSchemas([SchemaEntry(Path("event.avsc"))], framing="single_object")
schema = fastavro.schema.load_schema("event.avsc")
values = []
for tenant in ("red", "blue"):
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, {"tenant": tenant, "amount": 1.5, "label": None, "counts": [1, 2]})
    values.append(b"\\xc3\\x01" + schemas.only().ref.fingerprint + body.getvalue())
decoder = Decoder(schemas, framing="single_object", tenant_field="tenant", event_time_field=None, max_record_bytes=1000)
decoded = decoder.decode(record_batch([*values, None, b"", b"junk"]))
assert decoded.tenants == ["red", "blue"], decoded
columns = decoded.features(0, np.array([1, 0]), ("amount", "label", "counts[1]"))
assert columns.arrays[0].tolist() == [1.5, 1.5], columns
assert columns.arrays[2].tolist() == [2.0, 2.0], columns
"""

EVENT = """
{"type": "record", "name": "Event", "fields": [
  {"name": "tenant", "type": {"type": "enum", "name": "Colour", "symbols": ["red", "blue"]}},
  {"name": "amount", "type": ["null", "double"]},
  {"name": "label", "type": ["null", "string"]},
  {"name": "counts", "type": {"type": "array", "items": "long"}}]}
"""


@pytest.fixture(scope="module")
def warmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled code of all our kernels, as image build makes it."""
    folder = tmp_path_factory.mktemp("warmed")
    (folder / "event.avsc").write_text(EVENT)
    _run("import warm_kernels; warm_kernels.main()", folder, NUMBA_CACHE_DIR=str(folder / "prebuilt"))
    return folder


def test_a_container_that_can_write_nothing_decodes_with_the_kernels_of_its_image(warmed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes = _in_container(DECODE, warmed, tmp_path / "file" / "kernels")
    assert f"data loaded from '{warmed / 'prebuilt'}" in notes


def test_warming_again_compiles_nothing(warmed: Path) -> None:
    notes = _run("import warm_kernels; warm_kernels.main()", warmed, NUMBA_CACHE_DIR=str(warmed / "prebuilt"))
    assert "data loaded" in notes
    assert "saved" not in notes
