"""Compiles every kernel by decoding a few records; run at image build, with
NUMBA_CACHE_DIR naming the folder that keeps them. Fails where a kernel was left out.
"""  # noqa: INP001 - a script

from __future__ import annotations

import importlib
import json
import pkgutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher

from streamproc import avro, inference
from streamproc.avro.decoder import Decoder
from streamproc.avro.listed import Framing, ListedSchemas, SchemaEntry
from streamproc.batches import PartitionId, RecordBatch, bounds_of

SCHEMA = {
    "type": "record",
    "name": "Warm",
    "fields": [
        {"name": "tenant_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "number", "type": "double"},
        {"name": "text", "type": "string"},
        {"name": "vector", "type": {"type": "array", "items": "double"}},
    ],
}
FEATURES = ("number", "text", "vector[0]")


def _body(tenant: bytes) -> bytes:
    number = struct.pack("<d", 0.5)
    text = bytes([2 * len(tenant)]) + tenant
    return text + b"\x02" + number + text + b"\x02" + number + b"\x00"


def _batch(prefix: bytes) -> RecordBatch:
    values = [prefix + _body(tenant) for tenant in (b"a", b"b", b"a")]
    n = len(values)
    return RecordBatch(
        payload=b"".join(values),
        bounds=bounds_of(values),
        null=np.zeros(n, np.bool_),
        keys=[None] * n,
        headers=[None] * n,
        timestamps=np.zeros(n, np.int64),
        partitions=(PartitionId("warm", 0),),
        partition=np.zeros(n, np.int32),
        offsets=np.arange(n, dtype=np.int64),
    )


def _decode(framing: Framing, prefix: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "warm.avsc"
        file.write_text(json.dumps(SCHEMA))
        entry = SchemaEntry(file, id=1, output_id=2) if framing == "confluent" else SchemaEntry(file)
        schemas = ListedSchemas([entry], framing=framing)
    decoder = Decoder(schemas, framing=framing, tenant_field="tenant_id", event_time_field="at", max_record_bytes=1_000_000)
    decoded = decoder.decode(_batch(prefix))
    if decoded.status.any() or decoded.tenants != ["a", "b"]:
        sys.exit(f"the {framing} records were not decoded")
    decoded.features(0, np.arange(3), FEATURES)


def _kernels() -> Iterator[Dispatcher]:
    """Every kernel of the packages that have any."""
    for package in (avro, inference):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            yield from (kernel for kernel in vars(module).values() if isinstance(kernel, Dispatcher))


def _is_missing(kernel: Dispatcher) -> bool:
    """Whether it is one that numba keeps, and numba's folder holds no signature of it."""
    folder = kernel.stats.cache_path
    name = f"{kernel.py_func.__module__.rpartition('.')[2]}.{kernel.py_func.__name__}"
    return folder is not None and not any(Path(folder).glob(f"{name}-*.nbi"))


def main() -> None:
    """Exits with a message, and status 1, where something was not compiled."""
    _decode("confluent", b"\x00" + (1).to_bytes(4, "big"))
    _decode("raw", b"")
    if cold := sorted({kernel.py_func.__name__ for kernel in _kernels() if _is_missing(kernel)}):
        sys.exit(
            f"kernels that nothing here calls: {', '.join(cold)}; call them, so that no container compiles them at its start"
        )


if __name__ == "__main__":
    main()
