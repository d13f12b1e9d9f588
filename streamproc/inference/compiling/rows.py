"""Rows that a compiled model is compared on: made from what the estimator itself is made of, seeded, so always the same ones.

Where two implementations of a model could differ is where its own numbers are: at the thresholds of its trees and next to them,
where a scaler's or an imputer's numbers lie, at its categories; and at what floating point has of extremes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import FunctionTransformer

from streamproc.inference.compiling.parts import Estimator
from streamproc.inference.packed import TAKES_NULL, TAKES_TEXT

_SEED: Final = 20_240_601
_MIXED_ROWS: Final = 160
"""Rows in which every feature is somewhere near one of the model's own numbers."""
_EDGE_FEATURES: Final = 24
"""In how many features extremes are tried, one at a time; null is tried in every one."""
_EDGE_CATEGORIES: Final = 40
_NULL_SHARE: Final = 0.1
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
_EXTREMES: Final = (0.0, -0.0, 5e-324, -1e-40, 1e-20, _FLOAT32_MAX, -_FLOAT32_MAX, 3.5e38, 1e300, -1.7e308, np.inf, -np.inf)
_UNKNOWN: Final = "a category that nobody knows"


@dataclass(slots=True)
class Pool:
    """Values of one feature that are worth trying."""

    numbers: list[NDArray[np.float64]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    is_closed: bool = False
    """An encoder reads the feature: values other than those known may be refused."""

    def add(self, numbers: object) -> None:
        """Take over what is finite of `numbers`."""
        found = np.ravel(np.asarray(numbers, np.float64))
        self.numbers.append(found[np.isfinite(found)])


@dataclass(frozen=True, slots=True)
class _Column:
    """A column on its way through the model: the feature that it is made of as `feature = column * scale + shift`."""

    feature: int
    scale: float = 1.0
    shift: float = 0.0


_Columns = list[_Column | None]
"""None: a column of which nobody knows how to get back to its feature."""


class _Pools:
    """Goes through a fitted estimator as rows do, and collects what it is made of."""

    def __init__(self, n_features: int) -> None:
        self.features = [Pool() for _ in range(n_features)]

    def walk(self, part: Estimator, columns: _Columns) -> _Columns:
        """Collect from a transformer or final estimator that reads `columns`; returns what comes out of it."""
        state: Mapping[str, Any] = getattr(part, "__dict__", {})  # attributes are of any type
        if isinstance(part, str) or part is None or _leaves_alone(part):  # "passthrough"
            return columns
        if "steps" in state:
            for _, step in state["steps"]:
                columns = self.walk(step, columns)
            return columns
        if "best_estimator_" in state:
            return self.walk(state["best_estimator_"], columns)
        if "transformers_" in state:
            return [out for own, chosen in _branches(state, columns) for out in self.walk(own, chosen)]
        if "transformer_list" in state:
            return [out for _, own in state["transformer_list"] if own != "drop" for out in self.walk(own, columns)]
        return self._transformed(part, state, columns)

    def _transformed(self, part: Estimator, state: Mapping[str, Any], columns: _Columns) -> _Columns:  # as above
        if "categories_" in state:
            self._add_categories(state["categories_"], columns)
            return [None] * sum(state.get("_n_features_outs", [1] * len(columns)))
        if "statistics_" in state:
            return self._imputed(part, columns)
        if hasattr(part, "transform"):
            return self._scaled(part, columns)
        self._split(part, columns)
        return columns

    def _add_categories(self, categories: Sequence[Any], columns: _Columns) -> None:  # of the features' own types
        for column, known in zip(columns, categories, strict=False):
            if column is None:
                continue
            pool = self.features[column.feature]
            pool.is_closed = True
            pool.texts += [value for value in known.tolist() if isinstance(value, str)]
            pool.add([value for value in known.tolist() if isinstance(value, int | float)])

    def _imputed(self, imputer: Estimator, columns: _Columns) -> _Columns:
        kept: _Columns = []
        for column, value in zip(columns, imputer.statistics_.tolist(), strict=False):
            if isinstance(value, str) and column is not None:
                self.features[column.feature].texts.append(value)
            elif isinstance(value, int | float):
                self._add(column, [value])
            if imputer.keep_empty_features or value == value:  # noqa: PLR0124 - not NaN
                kept.append(column)
        indicators = 0 if imputer.indicator_ is None else len(imputer.indicator_.features_)
        return kept + [None] * indicators

    def _scaled(self, scaler: Estimator, columns: _Columns) -> _Columns:
        width = len(columns)
        scale = _numbers(scaler, "scale_", width, 1.0)
        shift = _numbers(scaler, "mean_", width, 0.0) + _numbers(scaler, "center_", width, 0.0)
        if getattr(scaler, "min_", None) is not None:  # of these the scale multiplies
            scale = 1.0 / scale
            shift = -_numbers(scaler, "min_", width, 0.0) * scale
        around = shift[:, None] + scale[:, None] * [0.0, 1.0, -1.0, 0.3, -2.5, 4.0]
        for column, values in zip(columns, around, strict=True):
            self._add(column, values)
        return [
            None if column is None else _Column(column.feature, column.scale * own, column.shift + column.scale * offset)
            for column, own, offset in zip(columns, scale.tolist(), shift.tolist(), strict=True)
        ]

    def _split(self, final: Estimator, columns: _Columns) -> None:
        """The thresholds of all trees."""
        state = vars(final)
        if state.get("_preprocessor") is not None:
            columns = self.walk(state["_preprocessor"], columns)
        splits = list(_splits(state))
        features = np.concatenate([np.zeros(0, np.int64), *(feature for feature, _ in splits)])
        thresholds = np.concatenate([np.zeros(0), *(threshold for _, threshold in splits)])
        for index in np.unique(features).tolist():
            self._add(columns[index] if index < len(columns) else None, thresholds[features == index])

    def _add(self, column: _Column | None, values: object) -> None:
        if column is not None:
            with np.errstate(all="ignore"):
                self.features[column.feature].add(np.asarray(values, np.float64) * column.scale + column.shift)


def pools(estimator: Estimator, n_features: int) -> list[Pool]:
    """What the estimator's own numbers and categories are, feature by feature."""
    found = _Pools(n_features)
    found.walk(estimator, [_Column(feature) for feature in range(n_features)])
    return found.features


def _leaves_alone(part: Estimator) -> bool:
    return type(part) is FunctionTransformer and part.func is None


def _branches(
    state: Mapping[str, Any], columns: _Columns
) -> Iterable[tuple[Estimator, _Columns]]:  # attributes are of any type
    names = [str(name) for name in state.get("feature_names_in_", ())]
    for _, own, chosen in state["transformers_"]:
        if isinstance(own, str) and own == "drop":
            continue
        if isinstance(chosen, slice):
            picked = list(range(len(columns)))[chosen]
        else:
            listed = np.atleast_1d(np.asarray(chosen, object)).tolist()
            is_mask = len(listed) > 0 and all(isinstance(one, bool | np.bool_) for one in listed)
            picked = [at for at, one in enumerate(listed) if one] if is_mask else [_place(one, names) for one in listed]
        yield own, [columns[at] for at in picked]


def _place(chosen: object, names: Sequence[str]) -> int:
    return names.index(chosen) if isinstance(chosen, str) else int(chosen)  # type: ignore[call-overload]  # scikit-learn has checked it


def _numbers(scaler: Estimator, attribute: str, width: int, default: float) -> NDArray[np.float64]:
    found = getattr(scaler, attribute, None)
    numbers = np.asarray(default if found is None else found, np.float64)
    return numbers if numbers.shape == (width,) else np.full(width, default)


def _splits(state: Mapping[str, Any]) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:  # integers, floats of any width
    trees = [state["tree_"]] if "tree_" in state else [one.tree_ for one in np.ravel(state.get("estimators_", ()))]
    for tree in trees:
        inner = tree.children_left >= 0
        yield tree.feature[inner], tree.threshold[inner]
    for stage in state.get("_predictors", ()):
        for predictor in stage:
            inner = (predictor.nodes["is_leaf"] == 0) & (predictor.nodes["is_categorical"] == 0)
            yield predictor.nodes["feature_idx"][inner], predictor.nodes["num_threshold"][inner]


def comparison_rows(estimator: Estimator, flags: NDArray[np.int32], names: Sequence[str]) -> pd.DataFrame:
    """Some hundred rows; in those that hold something a model may refuse, it is one thing in one feature.

    Args:
        estimator: fitted.
        flags: of each feature, see `packed`.
        names: of the columns.

    """
    rng = np.random.default_rng(_SEED)
    own = pools(estimator, len(flags))
    columns = [_mixed(pool, int(flag), rng) for pool, flag in zip(own, flags, strict=True)]
    edges = [_edges(pool, int(flag)) for pool, flag in zip(own, flags, strict=True)]
    wanted = set(rng.permutation(len(flags))[:_EDGE_FEATURES].tolist())
    edges = [found if feature in wanted else found[:1] for feature, found in enumerate(edges)]
    base = rng.integers(_MIXED_ROWS, size=sum(map(len, edges)))
    whole = [np.concatenate([column, column[base]]) for column in columns]
    at = _MIXED_ROWS
    for feature, found in enumerate(edges):
        whole[feature][at : at + len(found)] = found
        at += len(found)
    nulls = [_mixed_nulls(column, int(flag), rng) for column, flag in zip(whole, flags, strict=True)]
    if all(column.dtype == np.float64 for column in nulls):
        return pd.DataFrame(np.column_stack(nulls), columns=list(names))
    series = {at: pd.Series(column, dtype=column.dtype) for at, column in enumerate(nulls)}
    return pd.DataFrame(series).set_axis(list(names), axis=1)


def _mixed(pool: Pool, flag: int, rng: np.random.Generator) -> NDArray[Any]:  # float64 or object
    """A sound value for each of the mixed rows; never null."""
    if flag & TAKES_TEXT:
        return rng.choice(np.array(pool.texts or [_UNKNOWN], object), _MIXED_ROWS)
    known = np.concatenate([np.zeros(0), *pool.numbers])
    if pool.is_closed and len(known):
        return rng.choice(known, _MIXED_ROWS)
    spread = (float(np.std(known)) if len(known) else 0.0) or 1.0
    center = float(np.median(known)) if len(known) else 0.0
    with np.errstate(all="ignore"):
        around = center + spread * rng.normal(size=_MIXED_ROWS) * rng.choice([0.1, 1.0, 10.0], _MIXED_ROWS)
        chosen = rng.choice(np.append(known, [0.0, -0.0, 1.0, -1.0, 0.5, 1e-20]), _MIXED_ROWS)
        narrow = chosen.astype(np.float32)
        step = rng.integers(6, size=_MIXED_ROWS)
        near = np.choose(
            step,
            [
                chosen,
                np.nextafter(chosen, np.inf),
                np.nextafter(chosen, -np.inf),
                np.nextafter(narrow, np.float32(np.inf)).astype(np.float64),
                np.nextafter(narrow, np.float32(-np.inf)).astype(np.float64),
                around,
            ],
        )
    return np.where(np.isfinite(near), near, center)


def _edges(pool: Pool, flag: int) -> list[Any]:  # numbers or text
    """What is tried in this feature alone; null first."""
    if not flag & TAKES_TEXT:
        return [np.nan, *_EXTREMES]
    known = list(dict.fromkeys(pool.texts))[:_EDGE_CATEGORIES]
    return [np.nan, _UNKNOWN, "", *known, *(f"{text} " for text in known[:2]), *(text[:-1] for text in known[:2])]


def _mixed_nulls(column: NDArray[Any], flag: int, rng: np.random.Generator) -> NDArray[Any]:  # float64 or object
    """Some of the mixed rows null, where null is a value to the model."""
    if flag & TAKES_NULL:
        column[np.flatnonzero(rng.random(_MIXED_ROWS) < _NULL_SHARE)] = np.nan
    return column
