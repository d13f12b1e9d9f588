"""Configuration: declared once (`settings`), read from file, environment and `--set` (`load`), shown (`render`).

Only the composition root and the commands know it; everything else takes plain values.
"""

from __future__ import annotations

from streamproc.config.fields import topic_name
from streamproc.config.load import DEFAULT_FILE, LoadedSettings, load_settings
from streamproc.config.problems import InvalidSettingsError, Problem
from streamproc.config.settings import (
    AvroSettings,
    BatchSettings,
    DeadLetterSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    MetricsSettings,
    ModelSettings,
    RecordSettings,
    RegistrySettings,
    SchemaSettings,
    SecuritySettings,
    Settings,
)

__all__ = [
    "DEFAULT_FILE",
    "AvroSettings",
    "BatchSettings",
    "DeadLetterSettings",
    "HttpSettings",
    "InvalidSettingsError",
    "KafkaSettings",
    "LoadedSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "Problem",
    "RecordSettings",
    "RegistrySettings",
    "SchemaSettings",
    "SecuritySettings",
    "Settings",
    "load_settings",
    "topic_name",
]
