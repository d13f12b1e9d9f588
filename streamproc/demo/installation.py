"""What an operator would set up: a configuration file, a schema, and published models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import skops.io
import yaml

from streamproc.app.models import open_publisher
from streamproc.config import load_settings
from streamproc.demo.ledger import INPUT_SCHEMA_ID, OUTPUT_SCHEMA_ID
from streamproc.demo.scenario import Scenario
from streamproc.demo.traffic import Topics

FIRST: Final = 1
"""The version of every model here: the registry is new."""


def write_configuration(folder: Path, scenario: Scenario, *, bootstrap_servers: str, group_id: str, topics: Topics) -> Path:
    """`streamproc.yaml` in `folder`, with all that it names below `folder`."""
    (folder / "event.avsc").write_text(json.dumps(scenario.schema, indent=2), encoding="utf-8")
    settings = {
        "kafka": {
            "bootstrap_servers": bootstrap_servers,
            "group_id": group_id,
            "input_topics": [topics.events],
            "output_topic": topics.predictions,
            "dead_letter_topic": topics.dead_letters,
        },
        "batch": {"linger_seconds": 0.1},  # scikit-learn's calls cost the same for one record as for a hundred
        "avro": {"schemas": [{"id": INPUT_SCHEMA_ID, "file": "event.avsc", "output_id": OUTPUT_SCHEMA_ID}]},
        "records": {"tenant_field": scenario.tenant_field},
        "models": {
            "database_url": "sqlite:///registry.db",
            "store": "file:./models",
            "default_model_id": f"{scenario.default_model.name}@{FIRST}",
        },
        "metrics": {"tenant_limit": 1000},
        "log": {"format": "json"},
    }
    config = folder / "streamproc.yaml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return config


def publish_models(config: Path, scenario: Scenario) -> None:
    """Publish every model as `streamproc models publish` does, and assign it to its tenants."""
    with open_publisher(load_settings(config, overrides=(), environ={}).settings) as publisher:
        for model in (*scenario.models, scenario.default_model):
            artifact = skops.io.dumps(model.estimator)
            publisher.publish(artifact, name=model.name, format_name="skops", tenants=model.tenants, description=model.kind)
