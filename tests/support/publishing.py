"""Publishes fitted estimators the way `streamproc models publish` does, without a process for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import skops.io

from streamproc.app.models import open_publisher
from streamproc.config import load_settings


def publish_estimator(
    config: Path,
    estimator: Any,  # noqa: ANN401 - any scikit-learn estimator
    name: str,
    *,
    tenants: Sequence[str] = (),
    features: Sequence[str] | None = None,
) -> str:
    """Publish under the configuration's registry and store; returns the model id."""
    settings = load_settings(config, [], {}).settings
    with open_publisher(settings) as publisher:
        artifact = publisher.publish(
            skops.io.dumps(estimator), name=name, format_name="skops", tenants=tenants, features=features
        )
    return artifact.model_id
