"""What a fitted scikit-learn estimator consists of: its parts, its memory, its threads, and rows that it knows."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree

_NOT_STATE = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.MethodType, np.ufunc)
_THREAD_COUNTS = frozenset({"n_jobs", "_n_threads"})
_NODE_BYTES = 64
"""The size of a node of `sklearn.tree._tree.Tree`, which lies outside Python's memory."""


def parts(root: object) -> Iterator[object]:
    """Every distinct object that the estimator is made of, itself first.

    Containers are gone through; arrays of objects too, other arrays are parts themselves. Types and functions aren't state.
    """
    stack: list[object] = [root]
    seen: set[int] = set()
    kept: list[object] = []  # an id stays taken as long as its object lives
    while stack:
        part = stack.pop()
        if id(part) in seen or isinstance(part, (*_NOT_STATE, str, bytes, int, float, np.generic, types.NoneType)):
            continue
        seen.add(id(part))
        kept.append(part)
        yield part
        stack.extend(_children(part))


def _children(part: object) -> list[object]:
    if isinstance(part, Mapping):
        return [*part.keys(), *part.values(), *getattr(part, "__dict__", {}).values()]
    if isinstance(part, (list, tuple, set, frozenset)):
        return list(part)
    if isinstance(part, np.ndarray):
        return list(part.ravel()) if part.dtype.hasobject and part.dtype.kind == "O" else []
    return list(getattr(part, "__dict__", {}).values())


def use_one_thread(root: object) -> None:
    """Set every `n_jobs` in the estimator, fitted parts and templates alike, to 1; threads belong to the processor."""
    for part in parts(root):
        if isinstance(part, BaseEstimator):
            attributes = vars(part)
            attributes.update(dict.fromkeys(_THREAD_COUNTS & attributes.keys(), 1))


def spare_inputs(root: object) -> None:
    """Set every `copy` in the estimator to true: a transformer that may write to its input would transform it once a call."""
    for part in parts(root):
        if isinstance(part, BaseEstimator) and vars(part).get("copy") is False:
            vars(part)["copy"] = True


def measured_bytes(root: object) -> int:
    """The memory that `root` alone holds, in bytes: Python objects, arrays and the nodes of native trees."""
    total = 0
    stack: list[object] = [root]
    seen: set[int] = set()
    kept: list[object] = []
    while stack:
        part = stack.pop()
        if id(part) in seen or isinstance(part, _NOT_STATE):
            continue
        seen.add(id(part))
        kept.append(part)
        total += sys.getsizeof(part)
        if isinstance(part, np.ndarray):
            stack.extend(_array_parts(part))
        elif isinstance(part, Tree):
            total += part.capacity * (_NODE_BYTES + 8 * part.n_outputs * part.max_n_classes)
        else:
            stack.extend(gc.get_referents(part))
    return total


def _array_parts(array: NDArray[Any]) -> list[object]:  # of any dtype
    owners: list[object] = [] if array.base is None else [array.base]
    return owners + (list(array.ravel()) if array.dtype.kind == "O" else [])


Example = float | str | bool


def example_values(estimator: object, names: Sequence[str]) -> dict[str, Example]:
    """Feature → a value that the estimator has seen, for features that an encoder or imputer at its entrance knows; else 0.

    Args:
        estimator: fitted.
        names: its columns' names, in order.

    """
    known: dict[str, Example] = dict.fromkeys(names, 0.0)
    known.update(_known_values(estimator, list(names)))
    return known


def _known_values(estimator: object, names: list[str]) -> dict[str, Example]:
    attributes = getattr(estimator, "__dict__", {})
    if "steps" in attributes:
        found: dict[str, Example] = {}
        for _, step in reversed(attributes["steps"]):
            found = _known_values(step, names) or found
        return found
    if "transformers_" in attributes:
        return _known_of_columns(attributes["transformers_"], names)
    for attribute in ("categories_", "statistics_"):
        if attribute in attributes:
            return _first_known(attributes[attribute], names)
    return _known_inside(attributes, names)


def _known_inside(attributes: Mapping[str, Any], names: list[str]) -> dict[str, Example]:  # attributes are of any type
    for attribute in ("best_estimator_", "estimator_", "regressor_", "_preprocessor"):
        if attributes.get(attribute) is not None:
            return _known_values(attributes[attribute], names)
    for attribute in ("estimators_", "calibrated_classifiers_", "transformer_list"):
        inner = attributes.get(attribute)
        if inner is not None and len(inner):
            first = np.asarray(inner, dtype=object).ravel()[-1 if attribute == "transformer_list" else 0]
            return _known_values(getattr(first, "estimator", first) if attribute == "calibrated_classifiers_" else first, names)
    return {}


def _known_of_columns(transformers: Sequence[tuple[str, object, Any]], names: list[str]) -> dict[str, Example]:
    found: dict[str, Example] = {}
    for _, transformer, columns in transformers:
        if isinstance(columns, slice):
            own = names[_positions(columns, names)]
        else:
            picked = np.atleast_1d(np.asarray(columns))
            indexes = np.flatnonzero(picked) if picked.dtype == bool else picked
            own = [column if isinstance(column, str) else names[column] for column in indexes.tolist()]
        found.update(_known_values(transformer, own))
    return found


def _positions(columns: slice, names: list[str]) -> slice:
    """A slice of names includes its last one, as pandas has it."""
    start, stop = columns.start, columns.stop
    return slice(
        names.index(start) if isinstance(start, str) else start, names.index(stop) + 1 if isinstance(stop, str) else stop
    )


def _first_known(values: Sequence[Any], names: list[str]) -> dict[str, Example]:  # of the features' own types
    found: dict[str, Example] = {}
    for name, value in zip(names, values, strict=False):
        for candidate in np.atleast_1d(np.asarray(value, dtype=object)).tolist():
            if isinstance(candidate, str | bool | int) or (isinstance(candidate, float) and candidate == candidate):  # noqa: PLR0124 - not NaN
                found[name] = candidate
                break
    return found
