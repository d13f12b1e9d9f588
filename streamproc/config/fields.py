"""Types of single settings: what their text may look like, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Secret, SecretStr, StringConstraints, WithJsonSchema

MASK = "********"

_SECRET_NAME = re.compile(r"password|passwd|secret|token|jaas|\.pem$|oauthbearer\.config|api[._]?key", re.IGNORECASE)
_USER_PASSWORD = re.compile(r"(://[^:/@?]*:).*@", re.DOTALL)
_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name (also one of librdkafka's) holds a secret."""
    return _SECRET_NAME.search(name) is not None


def masked_url(url: str) -> str:
    """`url` with the password, in the user part or as a query parameter, replaced by a mask.

    Rather masks too much: a password may hold any of the characters that divide a URL.
    """
    without_user = _USER_PASSWORD.sub(rf"\1{MASK}@", url)
    start, mark, query = without_user.partition("?")
    return start + mark + "&".join(map(_masked_parameter, query.split("&")))


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}{equals}{MASK}" if equals and is_secret_name(name) else parameter


class SecretUrl(Secret[str]):
    """A URL that may hold a password: shown without it."""

    def _display(self) -> str:
        return masked_url(self.get_secret_value())


def topic_name(name: str) -> str:
    """The name, where a topic can have it; raises ValueError, whose text is what is expected, where not."""
    if not _TOPIC.fullmatch(name):
        raise ValueError("a topic name: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'")
    return name


def _field_path(path: str) -> str:
    if not _FIELD_PATH.fullmatch(path):
        raise ValueError("a record field's name, or names joined by dots")
    return path


def _database_url(url: SecretUrl) -> SecretUrl:
    if not re.match(r"(sqlite|postgres(?:ql)?)(\+\w+)?:/", url.get_secret_value()):
        raise ValueError("a database URL such as sqlite:///streamproc.db or postgresql+psycopg://user@host/database")
    return url


def _http_url(url: SecretUrl) -> SecretUrl:
    if not re.match(r"https?://[^/]", url.get_secret_value()):
        raise ValueError("a URL that begins with http:// or https://")
    return url


def _plain_url(url: str) -> str:
    if not re.match(r"https?://[^/@]+(/[^@]*)?$", url):
        raise ValueError("a URL that begins with http:// or https:// and names no user")
    return url


def _store(location: str) -> str:
    if not re.match(r"file:.|s3://[^/]", location):
        raise ValueError("file:DIRECTORY or s3://BUCKET/PREFIX")
    return location


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _raised(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _joined(value: object) -> object:
    return ",".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _scores(value: object) -> object:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        number = value if isinstance(value, bool) else int(str(value))
    except ValueError:
        number = 0
    if number is False or number is True or number > 0:
        return number
    raise ValueError("true, false, or how many of the highest scores to keep")


def _librdkafka(value: object) -> object:
    if isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values()):
        return dict(value)
    raise ValueError("librdkafka settings, each with a value")


Text = Annotated[str, StringConstraints(min_length=1)]
Lowered = BeforeValidator(_lowered)
Raised = BeforeValidator(_raised)
Topic = Annotated[str, AfterValidator(topic_name)]
FieldPath = Annotated[str, AfterValidator(_field_path)]
Servers = Annotated[Text, BeforeValidator(_joined)]
Password = Annotated[SecretStr, Field(min_length=1)]
HttpUrl = Annotated[SecretUrl, AfterValidator(_http_url), WithJsonSchema({"type": "string", "format": "uri"})]
DatabaseUrl = Annotated[SecretUrl, AfterValidator(_database_url), WithJsonSchema({"type": "string", "format": "uri"})]
PlainUrl = Annotated[str, AfterValidator(_plain_url), WithJsonSchema({"type": "string", "format": "uri"})]
Store = Annotated[str, AfterValidator(_store)]
Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Scores = Annotated[
    bool | int,
    BeforeValidator(_scores),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "integer", "exclusiveMinimum": 0}]}),
]
Librdkafka = Annotated[
    Mapping[str, str],
    BeforeValidator(_librdkafka),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}),
]
