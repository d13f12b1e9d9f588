"""Transformers of scikit-learn → what kernels run before the final estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array

from streamproc.inference import instructions as op
from streamproc.inference.compiling.assembly import assemble
from streamproc.inference.compiling.columns import Matrix, Number, Refusals, Step, checked, joined, stepped
from streamproc.inference.compiling.encoders import ENCODERS, encode
from streamproc.inference.compiling.imputing import impute
from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError, Transform
from streamproc.inference.compiling.scaling import SCALERS, scale
from streamproc.inference.packed import Kind


def compile_transform(transformers: Sequence[Estimator], n_features: int, head: Head, *, named: bool) -> Transform:
    """What comes before the final estimator.

    Args:
        transformers: fitted, in order; of the types that the functions below know.
        n_features: the columns of the model's input.
        head: the final estimator.
        named: whether the model gets DataFrames; float64 arrays otherwise.

    Raises:
        NotCompilableError: names the transformer that has no kernel, or what keeps the promise from being held.

    """
    features = tuple(Number(feature) for feature in range(n_features))
    refusals = Refusals()
    matrix = Matrix(features, frame=named, wide=not named)
    for transformer in transformers:
        matrix = _transformed(transformer, matrix, refusals)
    if len(matrix.columns) != head.columns:
        raise NotCompilableError(f"the final estimator was fitted on {head.columns} columns and gets {len(matrix.columns)}")
    if matrix.narrow and head.kind is Kind.LINEAR:
        raise NotCompilableError("the linear model computes in float32 here")
    return assemble(n_features, _read(matrix, head, refusals), refusals)


def _read(matrix: Matrix, head: Head, refusals: Refusals) -> Matrix:
    """The columns as the final estimator looks at them; in a sparse matrix none of them takes NaN."""
    takes_nan = head.takes_nan & (not matrix.sparse)
    looked_at = (
        checked(matrix.pick([place]), refusals, nan=not takes, infinity=not head.takes_infinity)
        for place, takes in enumerate(takes_nan.tolist())
    )
    return replace(matrix, columns=tuple(part.columns[0] for part in looked_at))


def _transformed(transformer: Estimator, matrix: Matrix, refusals: Refusals) -> Matrix:
    if passes_through(transformer):
        return matrix
    compile_one = _TRANSFORMERS.get(type(transformer))
    if compile_one is None:
        raise NotCompilableError(f"{type(transformer).__name__} has no kernel")
    return compile_one(transformer, matrix, refusals)


def passes_through(step: object) -> bool:
    """Whether a step of a pipeline does nothing."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def _in_turn(transformer: Pipeline, matrix: Matrix, refusals: Refusals) -> Matrix:
    for _, step in transformer.steps:
        matrix = _transformed(step, matrix, refusals)
    return matrix


def _by_columns(transformer: ColumnTransformer, matrix: Matrix, refusals: Refusals) -> Matrix:
    if transformer.n_features_in_ != len(matrix.columns):
        raise NotCompilableError(
            f"ColumnTransformer was fitted on {transformer.n_features_in_} columns and gets {len(matrix.columns)}"
        )
    places = transformer._transformer_to_input_indices  # noqa: SLF001 - what its own transform goes by
    made: list[Matrix] = []
    unread = set(range(len(matrix.columns)))
    for name, branch, columns in transformer.transformers_:
        if (isinstance(branch, str) and branch == "drop") or not len(places[name]):
            continue
        if np.isscalar(columns):
            raise NotCompilableError("ColumnTransformer gives a branch one column without a second dimension")
        unread.difference_update(places[name])
        part = _transformed(branch, matrix.pick(places[name]), refusals)
        made.append(_weighted(part, (transformer.transformer_weights or {}).get(name)))
    refusals.drop([matrix.columns[place] for place in sorted(unread)])
    return joined(made, sparse=bool(transformer.sparse_output_))


def _united(transformer: FeatureUnion, matrix: Matrix, refusals: Refusals) -> Matrix:
    weights = transformer.transformer_weights or {}
    made = [
        _weighted(_transformed(branch, matrix, refusals), weights.get(name))
        for name, branch in transformer.transformer_list
        if branch != "drop"
    ]
    return joined(made, sparse=any(part.sparse for part in made))


def _weighted(matrix: Matrix, weight: float | None) -> Matrix:
    if weight is None:
        return matrix
    step = Step(op.MULTIPLY, float(weight))
    if matrix.narrow:
        raise NotCompilableError("a weighted branch computes in float32")
    return replace(matrix, columns=tuple(stepped(column, step) for column in matrix.columns))


def _identity(transformer: FunctionTransformer, matrix: Matrix, refusals: Refusals) -> Matrix:
    function = transformer.func
    if transformer.kw_args or not (function is None or _only_converts(function)):
        raise NotCompilableError("FunctionTransformer calls a function")
    if transformer.validate:
        matrix = checked(matrix, refusals, nan=True, infinity=True)
    return matrix if function is None else replace(matrix, frame=False, objects=False, wide=True)


def _only_converts(function: object) -> bool:
    """Histogram gradient boosting's own preparation of numbers: float64, and no check."""
    if not isinstance(function, partial) or function.func is not check_array or function.args:
        return False
    given = dict(function.keywords)
    finite = given.pop("ensure_all_finite", given.pop("force_all_finite", True))
    return finite is False and given in ({"dtype": [np.float64]}, {"dtype": np.float64})


_TRANSFORMERS: Mapping[type, Callable[[Estimator, Matrix, Refusals], Matrix]] = MappingProxyType(
    {
        **dict.fromkeys(SCALERS, scale),
        **dict.fromkeys(ENCODERS, encode),
        SimpleImputer: impute,
        Pipeline: _in_turn,
        ColumnTransformer: _by_columns,
        FeatureUnion: _united,
        FunctionTransformer: _identity,
    }
)
"""Exact types: a subclass may transform in its own way."""
