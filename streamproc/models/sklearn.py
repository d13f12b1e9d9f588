"""Models made with scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import Model, ModelMetadata, OutputKind
from streamproc.models.estimators import example_values, measured_bytes, spare_inputs, use_one_thread
from streamproc.models.probe import example_columns
from streamproc.models.quiet import quiet

Estimator = Any  # scikit-learn ships no types
_KINDS = {"b": OutputKind.BOOLEAN, "i": OutputKind.LONG, "u": OutputKind.LONG, "f": OutputKind.DOUBLE, "U": OutputKind.STRING}


class SklearnModel(Model):
    """A fitted scikit-learn estimator with a `predict`. Takes it over: every `n_jobs` in it becomes 1, every `copy` true.

    Fitted with feature names it gets the DataFrame, otherwise a C-ordered float64 array.
    """

    def __init__(self, estimator: Estimator, feature_names: Sequence[str] | None = None) -> None:
        """Read what the estimator says of itself, and try it on one row.

        Args:
            estimator: fitted.
            feature_names: needed where the estimator was fitted without names: one a column, or fewer, where one of them is a
                vector. Where it was fitted with names: the same, or nothing.

        Raises:
            RecordError: `model_rejected`: not fitted, names missing or other than its own, an output that no record can carry.

        """
        _check_fitted(estimator)
        use_one_thread(estimator)
        spare_inputs(estimator)
        self._estimator = estimator
        self._named = getattr(_entrance(estimator), "feature_names_in_", None) is not None
        names = _names(estimator, feature_names)
        columns = getattr(_entrance(estimator), "n_features_in_", None)
        n_columns = None if columns is None or columns == len(names) else int(columns)
        self._metadata = ModelMetadata(names, OutputKind.DOUBLE, None, n_columns)
        self._metadata = self._described(names, n_columns)

    @property
    def estimator(self) -> Estimator:
        """The estimator itself; not to be changed."""
        return self._estimator

    @property
    def named(self) -> bool:
        """Whether it was fitted with feature names, and gets DataFrames."""
        return self._named

    @property
    def metadata(self) -> ModelMetadata:
        """See `Model`."""
        return self._metadata

    @cached_property
    def nbytes(self) -> int:
        """Measured, not estimated: arrays, native trees and Python objects."""
        return measured_bytes(self._estimator)

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the estimator's own dtype
        """See `Model`."""
        with quiet():
            return np.asarray(self._estimator.predict(self._inputs(data)))

    def scores(self, data: pd.DataFrame) -> NDArray[np.float64] | None:
        """See `Model`."""
        if self._metadata.classes is None:
            return None
        with quiet():
            return np.asarray(self._estimator.predict_proba(self._inputs(data)), np.float64)

    def predict_with_scores(self, data: pd.DataFrame) -> tuple[NDArray[Any], NDArray[np.float64] | None]:  # as `predict`
        """What `predict` and `scores` return, bit for bit, but a pipeline transforms only once."""
        with quiet():
            final, inputs = _transformed(self._estimator, self._inputs(data))
            if self._metadata.classes is None:
                return np.asarray(final.predict(inputs)), None
            scores = np.asarray(final.predict_proba(inputs))
            # The predict of these is the first of the highest of their own predict_proba: no need for a second pass.
            if type(final) in (RandomForestClassifier, ExtraTreesClassifier) and final.n_outputs_ == 1:
                values = final.classes_.take(np.argmax(scores, axis=1), axis=0)
            else:
                values = np.asarray(final.predict(inputs))
            return values, scores.astype(np.float64, copy=False)

    def example(self) -> pd.DataFrame:
        """One row of zeros, and of known categories where the estimator begins with an encoder."""
        columns = example_columns(self._metadata.feature_names, self._metadata.n_columns)
        names = [name for own in columns.values() for name in own]
        values = example_values(self._estimator, names) if self._named else dict.fromkeys(names, 0.0)
        if all(type(value) is float for value in values.values()):  # the same, in a tenth of the time
            return pd.DataFrame(np.array([list(values.values())]), columns=names)
        series = {name: pd.Series([value], dtype=object if isinstance(value, str) else None) for name, value in values.items()}
        return pd.DataFrame(series, columns=names)

    def _inputs(self, data: pd.DataFrame) -> pd.DataFrame | NDArray[np.float64]:
        return data if self._named else np.ascontiguousarray(data.to_numpy(dtype=np.float64))

    def _described(self, names: tuple[str, ...], n_columns: int | None) -> ModelMetadata:
        inputs = self._inputs(self.example())
        with quiet():
            return ModelMetadata(names, _output_kind(self._estimator, inputs), _classes(self._estimator, inputs), n_columns)


def _output_kind(estimator: Estimator, inputs: object) -> OutputKind:
    values = _tried(estimator.predict, inputs)
    if isinstance(values, np.ndarray):
        return _kind_of(values)
    flat = _flat_classes(estimator)
    if flat is not None and is_classifier(estimator):
        return _kind_of(flat)
    if is_regressor(estimator):
        return OutputKind.DOUBLE
    raise _rejected(
        f"{type(estimator).__name__}.predict raises {type(values).__name__} for a row of zeros, and nothing else tells what it "
        "returns; publish a classifier or a regressor, or one that predicts such a row"
    )


def _classes(estimator: Estimator, inputs: object) -> tuple[str, ...] | None:
    classes = _flat_classes(estimator)
    if classes is None or not hasattr(estimator, "predict_proba"):
        return None
    scores = _tried(estimator.predict_proba, inputs)
    if isinstance(scores, np.ndarray) and scores.shape != (1, len(classes)):
        return None
    return tuple(map(str, classes.tolist()))


def _flat_classes(estimator: Estimator) -> NDArray[Any] | None:  # the labels' own dtype
    classes = getattr(estimator, "classes_", None)
    return classes if isinstance(classes, np.ndarray) and classes.ndim == 1 else None


def _check_fitted(estimator: Estimator) -> None:
    if not callable(getattr(estimator, "predict", None)):
        raise _rejected(f"the artifact holds a {type(estimator).__name__}, which has no predict; publish a fitted predictor")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise _rejected(f"the {type(estimator).__name__} is not fitted; publish it after fit()") from None
    except TypeError:  # not an estimator by scikit-learn's rules, such as a class of the user's own; it does have a predict
        return


def _entrance(estimator: Estimator) -> Estimator:
    """The part that sees the columns first; a pipeline knows nothing of them where its first step is to pass them through."""
    while type(estimator) is Pipeline:
        estimator = next((step for _, step in estimator.steps if not _passes_through(step)), None)
    return estimator


def _passes_through(step: object) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _names(estimator: Estimator, given: Sequence[str] | None) -> tuple[str, ...]:
    own = getattr(_entrance(estimator), "feature_names_in_", None)
    columns = getattr(_entrance(estimator), "n_features_in_", None)
    if own is not None:
        known = tuple(map(str, own))
        if given is not None and tuple(given) != known:
            raise _rejected(
                f"the model was fitted with the features {_listed(known)}, and not with those given: {_listed(given)}"
            )
        return known
    if not given:
        raise _rejected(
            f"the model was fitted without feature names{'' if columns is None else f' on {columns} columns'}; "
            "name them with --features (SklearnModel: feature_names), or fit it with a DataFrame"
        )
    if len(set(given)) < len(given) or not all(given):
        raise _rejected(f"feature names must be distinct and not empty; given: {_listed(given)}")
    if columns is not None and columns < len(given):
        raise _rejected(
            f"the model was fitted on {columns} columns, and {len(given)} feature names are given: {_listed(given)}"
        )
    return tuple(given)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f", … ({len(names)})" if len(names) > 20 else "")  # noqa: PLR2004 - enough to recognize them


def _transformed(estimator: Estimator, inputs: object) -> tuple[Estimator, object]:
    """The predictor at the end of pipelines and searches, and what it gets of these inputs."""
    while True:
        if type(estimator) in (GridSearchCV, RandomizedSearchCV):
            estimator = estimator.best_estimator_
        elif type(estimator) is Pipeline:
            for _, step in estimator.steps[:-1]:
                inputs = inputs if _passes_through(step) else step.transform(inputs)
            estimator = estimator.steps[-1][1]
        else:
            return estimator, inputs


def _tried(method: Callable[[Any], object], inputs: object) -> NDArray[Any] | Exception:  # the result's own dtype
    """What the method returns for the example; an exception, which may be the example's fault and not the model's."""
    try:
        return np.asarray(method(inputs))
    except Exception as error:  # noqa: BLE001 - a model may raise anything
        return error


def _kind_of(values: NDArray[Any]) -> OutputKind:  # any dtype
    if values.ndim == 2 and values.shape[1] != 1:  # noqa: PLR2004 - several outputs a row
        if values.dtype.kind in "biuf":
            return OutputKind.ARRAY
        raise _rejected(
            "the model predicts several outputs that aren't numbers; a prediction holds one string or an array of numbers"
        )
    flat = values.ravel()
    kind = flat.dtype.kind
    if kind == "O" and len(flat):
        kinds = {np.asarray(value).dtype.kind for value in flat.tolist()}
        kind = kinds.pop() if len(kinds) == 1 else "O"
    if kind not in _KINDS or values.ndim > 2:  # noqa: PLR2004 - as above
        raise _rejected(
            f"the model predicts values of type {values.dtype}; a prediction is a number, a boolean, a string or an array"
        )
    return _KINDS[kind]


def _rejected(text: str) -> RecordError:
    return RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text)
