"""Produces what Python's client can't: a record with a header whose name is any bytes. Through librdkafka's own C interface."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

_PRODUCER = 0
_END, _TOPIC, _VALUE, _HEADERS = 0, 1, 4, 10
"""Kinds of arguments of `rd_kafka_producev`."""


def produce_with_header(bootstrap_servers: str, topic: str, value: bytes, name: bytes, content: bytes) -> None:
    """Deliver one record with one header."""
    library = ctypes.CDLL(str(_library()))
    for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, function).restype = ctypes.c_void_p
    settings = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(settings, b"bootstrap.servers", bootstrap_servers.encode(), None, ctypes.c_size_t(0))
    producer = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, settings, None, ctypes.c_size_t(0)))
    headers = ctypes.c_void_p(library.rd_kafka_headers_new(ctypes.c_size_t(1)))
    sizes = ctypes.c_ssize_t(len(name)), ctypes.c_ssize_t(len(content))
    assert library.rd_kafka_header_add(headers, name, sizes[0], content, sizes[1]) == 0
    named = (_TOPIC, ctypes.c_char_p(topic.encode()))
    valued = (_VALUE, ctypes.c_char_p(value), ctypes.c_size_t(len(value)))
    assert library.rd_kafka_producev(producer, *named, *valued, _HEADERS, headers, _END) == 0
    assert library.rd_kafka_flush(producer, 30_000) == 0
    library.rd_kafka_destroy(producer)


def _library() -> Path:
    package = Path(confluent_kafka.__file__).parent
    found = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    return found[0]
