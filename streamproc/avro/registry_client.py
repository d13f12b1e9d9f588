"""The REST interface of a schema registry (Confluent's, which Apicurio and others also speak). The only user of httpx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import httpx

from streamproc.avro.types import JsonValue
from streamproc.errors import Reason, RecordError, Stage, TransientError

_MAX_ID: Final = (1 << 31) - 1
_OK: Final = 200
_NOT_FOUND: Final = 404
_UNKNOWN_CODES: Final = frozenset({40401, 40402, 40403})
_CONFLICT: Final = frozenset({409, 422})
_HEADERS: Final = {"accept": "application/vnd.schemaregistry.v1+json, application/json"}


@dataclass(frozen=True, slots=True)
class Registered:
    """A schema as the registry keeps it."""

    id: int | None
    """None where the answer does not say."""
    guid: bytes | None
    definition: JsonValue
    """The schema as a JSON value."""


class RegistryClient:
    """Asks one registry. Nothing is cached here.

    Every method raises TransientError where the registry does not answer, lacks a right or answers what no registry would.
    """

    def __init__(self, url: str, *, username: str | None = None, password: str | None = None, timeout: float = 10.0) -> None:
        """Ask the registry at `url`; a user and password in the URL serve where `username` is None."""
        parts = urlsplit(url)
        self._shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
        auth = (username, password or "") if username is not None else None
        self._http = httpx.Client(base_url=url.rstrip("/") + "/", auth=auth, timeout=timeout, headers=_HEADERS)

    @property
    def url(self) -> str:
        """The registry's address, without credentials."""
        return self._shown

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def by_id(self, schema_id: int) -> Registered:
        """The schema with this number; raises RecordError `unknown_schema` where there is none."""
        what = f"schema id {schema_id}"
        if schema_id > _MAX_ID:
            raise self._unknown(what)
        answer = self._json(self._known(self._get(f"schemas/ids/{schema_id}"), what))
        return self._registered(answer, what, schema_id)

    def by_guid(self, guid: bytes) -> Registered:
        """The schema with this GUID; raises RecordError `unknown_schema` where there is none, or the registry has no GUIDs."""
        what = f"schema GUID {UUID(bytes=guid)}"
        response = self._get(f"schemas/guids/{UUID(bytes=guid)}")
        if response.status_code == _NOT_FOUND:
            raise self._unknown(what)
        return self._registered(self._json(self._answered(response)), what, None, guid)

    def latest(self, subject: str) -> Registered:
        """The newest version of a subject; raises RecordError `unknown_schema` where there is none."""
        response = self._get(f"subjects/{quote(subject, safe='')}/versions/latest")
        what = f"subject {subject!r}"
        return self._registered(self._json(self._known(response, what)), what, None)

    def subjects_of(self, schema_id: int) -> frozenset[str]:
        """The subjects under which a schema is registered."""
        response = self._get(f"schemas/ids/{schema_id}/versions")
        answer = self._json(self._known(response, f"schema id {schema_id}"))
        if not isinstance(answer, list):
            raise self._foreign()
        return frozenset(str(version["subject"]) for version in answer if isinstance(version, dict) and "subject" in version)

    def is_version_of(self, subject: str, definition: JsonValue) -> bool:
        """Whether the schema is registered under the subject."""
        response = self._post(f"subjects/{quote(subject, safe='')}", definition)
        return response.status_code != _NOT_FOUND and self._answered(response).status_code == _OK

    def register(self, subject: str, definition: JsonValue) -> Registered:
        """Register a schema, or find it registered.

        Raises:
            RecordError: `schema_not_allowed`: the registry refuses it as incompatible with the subject's other versions.

        """
        response = self._post(f"subjects/{quote(subject, safe='')}/versions", definition)
        if response.status_code in _CONFLICT:
            raise RecordError(
                Reason.SCHEMA_NOT_ALLOWED,
                Stage.DECODE,
                f"the registry {self._shown} refuses a schema under subject {subject!r} (status {response.status_code}): "
                "it is not compatible with an earlier version; relax the subject's compatibility, or use another output topic",
            )
        answer = self._json(self._answered(response))
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
            raise self._foreign()
        return Registered(answer["id"], _guid(answer), definition)

    def _get(self, path: str) -> httpx.Response:
        try:
            return self._http.get(path)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _post(self, path: str, definition: JsonValue) -> httpx.Response:
        body = {"schemaType": "AVRO", "schema": json.dumps(definition, separators=(",", ":"), ensure_ascii=False)}
        try:
            return self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _known(self, response: httpx.Response, what: str) -> httpx.Response:
        if response.status_code == _NOT_FOUND and _error_code(response) in _UNKNOWN_CODES:
            raise self._unknown(what)
        return self._answered(response)

    def _answered(self, response: httpx.Response) -> httpx.Response:
        if response.status_code == _OK:
            return response
        remedy = {
            401: "check avro.registry.username and password",
            403: "the user lacks a right",
            404: "check avro.registry.url",
        }
        hint = remedy.get(response.status_code, "the registry is not well")
        raise TransientError(f"the schema registry {self._shown} answered with status {response.status_code}: {hint}")

    def _json(self, response: httpx.Response) -> JsonValue:
        try:
            return response.json()
        except ValueError as error:
            raise self._foreign() from error

    def _registered(self, answer: JsonValue, what: str, schema_id: int | None, guid: bytes | None = None) -> Registered:
        if not isinstance(answer, dict) or not isinstance(answer.get("schema"), str):
            raise self._foreign()
        kind = answer.get("schemaType") or "AVRO"
        if kind != "AVRO" or answer.get("references"):
            found = "has references to other schemas" if kind == "AVRO" else f"is of type {kind}"
            raise RecordError(Reason.SCHEMA_NOT_ALLOWED, Stage.DECODE, f"{what} {found}; expected one whole Avro schema")
        try:
            definition = json.loads(answer["schema"])
        except (ValueError, RecursionError) as error:
            raise RecordError(Reason.SCHEMA_NOT_ALLOWED, Stage.DECODE, f"{what} is no Avro schema in JSON") from error
        own = answer.get("id")
        return Registered(own if isinstance(own, int) else schema_id, guid or _guid(answer), definition)

    def _unknown(self, what: str) -> RecordError:
        return RecordError(Reason.UNKNOWN_SCHEMA, Stage.DECODE, f"{what} is not known to the schema registry {self._shown}")

    def _silent(self, error: httpx.HTTPError) -> TransientError:
        return TransientError(
            f"the schema registry {self._shown} does not answer ({type(error).__name__}); see avro.registry.url"
        )

    def _foreign(self) -> TransientError:
        return TransientError(f"{self._shown} does not answer as a schema registry; check avro.registry.url")


def _error_code(response: httpx.Response) -> int | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    code = answer.get("error_code") if isinstance(answer, dict) else None
    return code if isinstance(code, int) else None


def _guid(answer: Mapping[str, JsonValue]) -> bytes | None:
    try:
        return UUID(answer["guid"]).bytes if isinstance(answer.get("guid"), str) else None
    except ValueError:
        return None
