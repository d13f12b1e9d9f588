"""A model made with scikit-learn → its packed form, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from streamproc.inference.compiling import boosting, histogram, linear, trees
from streamproc.inference.compiling.parts import Estimator, Head, NotCompilableError, pack
from streamproc.inference.compiling.transforms import compile_transform, passes_through
from streamproc.inference.packed import Packed
from streamproc.models.sklearn import SklearnModel

_HEADS: Mapping[type, Callable[[Estimator], Head]] = MappingProxyType(
    {
        **dict.fromkeys(linear.ESTIMATORS, linear.compile_head),
        **dict.fromkeys((DecisionTreeClassifier, DecisionTreeRegressor), trees.compile_head),
        **dict.fromkeys((ExtraTreeClassifier, ExtraTreeRegressor), trees.compile_head),
        **dict.fromkeys((RandomForestClassifier, RandomForestRegressor), trees.compile_head),
        **dict.fromkeys((ExtraTreesClassifier, ExtraTreesRegressor), trees.compile_head),
        **dict.fromkeys((GradientBoostingClassifier, GradientBoostingRegressor), boosting.compile_head),
        **dict.fromkeys((HistGradientBoostingClassifier, HistGradientBoostingRegressor), histogram.compile_head),
    }
)
"""Exact types: a subclass may predict in its own way."""


def compile_model(model: SklearnModel) -> Packed:
    """The model, ready for the arenas; not yet compared with its own predictions.

    Raises:
        NotCompilableError: names the part that has no kernel, or what keeps the promise from being held.

    """
    transformers, final = _split(model.estimator)
    compile_head = _HEADS.get(type(final))
    if compile_head is None:
        raise NotCompilableError(f"{type(final).__name__} has no kernel")
    head = compile_head(final)
    if head.preprocessor is not None:
        transformers.append(head.preprocessor)
    n_features = model.metadata.n_columns or len(model.metadata.feature_names)
    return pack(compile_transform(transformers, n_features, head, named=model.named), head)


def _split(estimator: Estimator) -> tuple[list[Estimator], Estimator]:
    """The transformers, in order, and the predictor at the end of pipelines and searches."""
    transformers: list[Estimator] = []
    while True:
        if type(estimator) in (GridSearchCV, RandomizedSearchCV):
            estimator = estimator.best_estimator_
        elif type(estimator) is Pipeline:
            transformers += [step for _, step in estimator.steps[:-1] if not passes_through(step)]
            estimator = estimator.steps[-1][1]
        else:
            return transformers, estimator
