"""The shape of the package: which room may use which, where each library lives, how large anything may grow."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.source_tree import (
    SourceTree,
    cycles,
    misplaced_libraries,
    room_of,
    too_deep,
    too_large,
    undocumented,
    unnamed,
    wrong_imports,
)

import streamproc

# Imports lead down this list. A room covers the modules below it; rooms of one layer never import each other.
LAYERS = (
    ("__init__", "__main__"),  # the public names; `python -m streamproc`
    ("cli",),  # parse, call, print
    ("operations", "demo"),  # what the commands beside `run` do
    ("app",),  # the composition root
    ("models.stores",),  # a URL → its artifact store
    # The loop, and the adapters: each talks to one thing outside, through ports that are declared below.
    ("processor", "kafka", "models.s3", "models.files", "models.sql", "avro.registry*", "telemetry", "config", "testing"),
    ("pipeline", "delivery", "parking", "progress", "patience"),  # the stages of the loop, without Kafka, and its passive state
    ("inference", "avro", "dead_letters"),
    ("models",),
    ("ports", "clock"),
    ("batches", "captures", "jit", "spaces"),  # the values that travel; how kernels are compiled
    ("errors",),
)

# A library is imported in these rooms only, and its exceptions stop there. What is not named here is not imported at all.
LIBRARIES = {
    "alembic": ["models.sql"],
    "boto3": ["models.s3"],
    "botocore": ["models.s3"],
    "cachetools": ["models.cache", "models.serving"],
    "confluent_kafka": ["kafka"],
    "fastavro": ["avro.display", "operations.predict", "demo.ledger"],
    "httpx": ["avro.registry_client"],
    "joblib": ["models.formats"],
    "mypy_boto3_s3": ["models.s3"],
    "numba": ["jit"],
    "numpy": ["*"],
    "onnxruntime": ["models.onnx"],
    "pandas": ["models", "inference", "demo"],
    "pickle": ["models.formats"],
    "prometheus_client": ["telemetry"],
    "pydantic": ["config"],
    "pydantic_core": ["config"],
    "rich": ["demo"],
    "skops": ["models.skops", "demo.installation", "operations.bench.estimators"],
    "scipy": ["inference.compiling", "inference.links"],
    "sklearn": ["models", "inference.compiling", "demo.estimators", "operations.bench.estimators"],
    "sqlalchemy": ["models.sql"],
    "structlog": ["telemetry.logs"],
    "threadpoolctl": ["app.replica", "demo.run", "operations.bench.side_by_side"],
    "typer": ["cli"],
    "yaml": ["config", "demo.installation"],
}

BOUNDS = {"module_lines": 400, "class_lines": 200, "body_lines": 40}
LEVELS = 3


@pytest.fixture(scope="module")
def tree() -> SourceTree:
    return SourceTree.read(Path(streamproc.__file__).parent)


def test_imports_lead_down_the_layers(tree: SourceTree) -> None:
    assert wrong_imports(tree, LAYERS) == []


def test_no_modules_import_each_other(tree: SourceTree) -> None:
    assert cycles(tree) == []


def test_each_library_is_imported_where_it_belongs(tree: SourceTree) -> None:
    assert misplaced_libraries(tree, LIBRARIES) == []


def test_nothing_outgrows_its_bound(tree: SourceTree) -> None:
    assert too_large(tree, **BOUNDS) == []


def test_no_statement_is_nested_deeply(tree: SourceTree) -> None:
    assert too_deep(tree, LEVELS) == []


def test_every_module_is_named_after_what_it_holds_and_says_what_that_is(tree: SourceTree) -> None:
    assert unnamed(tree) == []
    assert undocumented(tree) == []


def test_the_layers_and_libraries_name_only_what_there_is(tree: SourceTree) -> None:
    rooms = [room for layer in LAYERS for room in layer]
    assert {room_of(module, rooms) for module in tree.parsed} == set(rooms)
    assert {library for module in tree.parsed for library in tree.libraries(module)} == LIBRARIES.keys()


# Each check finds what it is for.


def seeded(**sources: str) -> SourceTree:
    """A package of these modules, `a__b` being `a.b`."""
    return SourceTree("streamproc", {name.replace("__", ".").strip("."): text for name, text in sources.items()})


@pytest.mark.parametrize(
    "statement",
    [
        "import streamproc.app",
        "from streamproc import app",
        "from streamproc.app import Replica",
        "def later() -> None:\n    from streamproc.app.replica import Replica",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from streamproc.app import Replica",
    ],
    ids=["import", "of a module", "from", "in a function", "for types only"],
)
def test_an_import_that_leads_up_is_found_however_it_is_written(statement: str) -> None:
    found = wrong_imports(seeded(kafka__source=statement, app="", app__replica=""), LAYERS)
    assert len(found) == 1
    assert "kafka may not import app" in found[0]


@pytest.mark.parametrize("adapter", ["kafka.sink", "models.s3", "models.sql.registry", "avro.registry_client"])
@pytest.mark.parametrize(
    "other", ["kafka.source", "models.s3", "models.sql.tables", "avro.registry", "app", "config", "processor"]
)
def test_no_adapter_may_import_another_nor_app_config_or_processor(adapter: str, other: str) -> None:
    rooms = [room for layer in LAYERS for room in layer]
    bad = SourceTree("streamproc", {other: "", adapter: f"import streamproc.{other}"})
    assert bool(wrong_imports(bad, LAYERS)) == (room_of(adapter, rooms) != room_of(other, rooms))


def test_a_module_of_no_layer_is_found() -> None:
    assert wrong_imports(seeded(novelty=""), LAYERS) == ["novelty is in no layer"]


def test_cycles_are_found_also_inside_of_a_room_and_by_way_of_others() -> None:
    bad = seeded(
        avro__a="from streamproc.avro import b",
        avro__b="from streamproc.avro.c import C",
        avro__c="def f() -> None:\n    import streamproc.avro.a",
        avro__d="import streamproc.avro.a",
        avro="",
    )
    assert cycles(bad) == ["avro.a ↔ avro.b ↔ avro.c"]


def test_a_misplaced_library_is_found_and_so_is_an_unknown_one() -> None:
    bad = seeded(
        pipeline="from confluent_kafka import Message\nimport requests\nimport json", kafka__sink="import confluent_kafka"
    )
    assert misplaced_libraries(bad, LIBRARIES) == [
        "pipeline imports confluent_kafka, which is for kafka",
        "pipeline imports requests, which is for nobody",
    ]


def test_what_outgrows_its_bound_is_found() -> None:
    body = "    x = 1\n"
    bad = seeded(
        long="\n" * 401,
        wide=f"class Wide:\n{body * 200}",
        fits=f"class Fits:\n{body * 199}",
        deep=f'def f():\n    """One."""\n{body * 41}\ndef g():\n{body * 40}',
        avro__kernels=f"@kernel\ndef f(  # splitting it would cost time\n):\n{body * 50}\n@kernel\ndef other():\n{body * 41}",
    )
    assert too_large(bad, **BOUNDS) == [
        "avro.kernels.other has a body of 41 lines",
        "deep.f has a body of 41 lines",
        "long has 401 lines",
        "wide.Wide has 201 lines",
    ]


def test_deep_nesting_is_found_and_elif_is_no_level() -> None:
    flat = (
        "def f():\n    if 1:\n        pass\n    elif 2:\n        pass\n    elif 3:\n        pass\n    elif 4:\n        pass\n"
    )
    deep = "def g():\n    with a:\n        for b in c:\n            if d:\n                while e:\n                    pass\n"
    assert too_deep(seeded(m=flat + deep), LEVELS) == ["m.g nests 4 levels"]


def test_a_name_that_says_nothing_and_a_module_that_says_nothing_are_found() -> None:
    bad = seeded(avro__utils='"""Things."""', kafka__sink="import json", _private="")
    assert unnamed(bad) == ["avro.utils"]
    assert undocumented(bad) == ["kafka.sink"]
