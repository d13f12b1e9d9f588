"""What a replica needs for a workload: a configuration, the schema, and a published model for every tenant."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from streamproc.app.models import open_publisher, open_registry, open_store
from streamproc.config import Settings, load_settings
from streamproc.kafka.options import ConnectionOptions
from streamproc.models.stored import digest_of, store_key
from streamproc.operations.bench.workload import OUTPUT_SCHEMA_ID, SCHEMA_ID, TENANT_FIELD, Workload

CONFIG: Final = "streamproc.yaml"
_FORMAT: Final = "skops"


def write_configuration(folder: Path, workload: Workload, options: ConnectionOptions) -> Path:
    """A configuration with all that it names below `folder`, which should be private: it holds what the options hold.

    Topics and group are for each run to give. What isn't named here has its default. JSON, which is YAML.
    """
    (folder / "event.avsc").write_text(json.dumps(workload.schema))
    security = options.security
    settings = {
        "kafka": {
            "bootstrap_servers": options.bootstrap_servers,
            "group_protocol": options.group_protocol,
            "client": dict(options.client),
            "consumer": dict(options.consumer),
            "producer": dict(options.producer),
            "security": {name: getattr(security, name) for name in security.__slots__ if getattr(security, name) is not None},
        },
        "avro": {"schemas": [{"id": SCHEMA_ID, "file": "event.avsc", "output_id": OUTPUT_SCHEMA_ID}]},
        "records": {"tenant_field": TENANT_FIELD},
        "models": {"database_url": "sqlite:///registry.db", "store": "file:./models"},
        "log": {"format": "json", "level": "warning"},
    }
    config = folder / CONFIG
    config.touch(mode=0o600)
    config.write_text(json.dumps(settings, indent=1))
    return config


def model_name(tenant: str) -> str:
    """What a tenant's model is published as."""
    return f"model-{tenant}"


def publish(
    config: Path, workload: Workload, artifacts: Mapping[str, bytes], progress: Callable[[int], None]
) -> dict[str, str]:
    """Publish each tenant's artifact and assign it; tenant → model id.

    The first goes the way of `streamproc models publish`. The others differ from it in numbers only: they are stored and
    registered as that does it, without being loaded and tried once more each.
    """
    settings: Settings = load_settings(config, (), {}).settings
    store = open_store(settings)
    names: Sequence[str] = workload.feature_names
    ids: dict[str, str] = {}
    stored: set[str] = set()
    (first, data), *others = artifacts.items()
    with open_publisher(settings) as publisher:
        tried = publisher.publish(data, name=model_name(first), format_name=_FORMAT, features=names, tenants=[first])
    ids[first] = tried.model_id
    with open_registry(settings) as registry:
        for tenant, data in others:
            digest = digest_of(data)
            key = store_key(digest, _FORMAT)
            if key not in stored:
                store.put(key, data)
                stored.add(key)
            named = replace(tried.content, name=model_name(tenant), digest=digest, nbytes=len(data), store_key=key)
            ids[tenant] = registry.publish(named, [tenant]).model_id
            progress(len(ids))
    return ids
