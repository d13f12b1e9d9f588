"""The skops format: a zip of arrays and a JSON tree of types. Nothing in it runs unless its type is allowed here."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping

import skops.io

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.trusted import TRUSTED_BY_LOADER

_MAX_ENTRIES = 500_000
_FREE_BYTES = 64 * 2**20
"""Expanding to this much is always allowed."""
_MAX_RATIO = 50
"""Above that: not to more than this many times the artifact's size; deflated trees come to about 10."""
_MAX_NAMES = 5
_REMEDIES = {
    "sklearn.neighbors._kd_tree.KDTree": "; fit with algorithm='brute'",
    "sklearn.neighbors._ball_tree.BallTree": "; fit with algorithm='brute'",
}


def load_skops(data: bytes, trusted_types: frozenset[str]) -> object:
    """The object in a skops artifact.

    Args:
        data: the artifact.
        trusted_types: names that are allowed besides the built-in ones.

    Raises:
        RecordError: `model_rejected`: no skops artifact, too large when expanded, or types that are not allowed; names them.

    """
    try:
        types = set(_named_types(_schema(data)))
        _check_types(types, trusted_types)
        return skops.io.loads(data, trusted=sorted({name for _, name in types}))
    except RecordError:
        raise
    except Exception as error:
        text = (
            f"the artifact can't be read as skops ({type(error).__name__}); dump it with skops.io.dump, by a version no newer "
            f"than {skops.__version__}"
        )
        raise _rejected(text) from error


def _schema(data: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > _MAX_ENTRIES:
            raise _rejected(f"the artifact has {len(entries)} entries; at most {_MAX_ENTRIES} are read")
        expanded = sum(entry.file_size for entry in entries)
        if expanded > max(_FREE_BYTES, _MAX_RATIO * len(data)):
            raise _rejected(
                f"the artifact of {len(data)} bytes expands to {expanded}, more than {_MAX_RATIO} times as much; "
                "dump it without compression"
            )
        return json.loads(archive.read("schema.json"))


def _check_types(types: set[tuple[str, str]], trusted_types: frozenset[str]) -> None:
    refused = sorted({name for loader, name in types if not _allowed(loader, name, trusted_types)})
    if refused:
        raise _rejected(_refusal(refused))


def _named_types(schema: object) -> Iterator[tuple[str, str]]:
    """The loader and full name of each type, function and method that the tree names, wherever in it."""
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "__class__" in node and node.get("__loader__") != "JsonNode":  # a JsonNode restores JSON, whatever type it names
                yield str(node.get("__loader__")), _name(node)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _name(node: Mapping[str, object]) -> str:
    name = f"{node.get('__module__')}.{node['__class__']}"
    content = node.get("content")
    if node.get("__loader__") == "MethodNode" and isinstance(content, Mapping):
        return f"{name}.{content.get('func')}"
    return name


def _allowed(loader: str, name: str, trusted_types: frozenset[str]) -> bool:
    return name in trusted_types or name in TRUSTED_BY_LOADER.get(loader, ())


def _refusal(names: list[str]) -> str:
    listed = ", ".join(name + _REMEDIES.get(name, "") for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return (
        f"the artifact holds types that are not trusted: {listed}{more}. Where you have reviewed what they do when they are "
        "restored, add them to models.trusted_types; `streamproc models formats` prints the built-in list"
    )


def _rejected(text: str) -> RecordError:
    return RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text)
