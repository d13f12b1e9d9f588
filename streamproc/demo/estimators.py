"""The kinds of estimators that demonstrations train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

Estimator = Any  # scikit-learn has no types
NEIGHBOURS = 20
"""The fewest training rows in a leaf of a tree."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of estimator, and which features it reads."""

    name: str
    make: Callable[[Sequence[str], Sequence[str]], Estimator]
    """Numeric and text features → an unfitted estimator."""
    reads_text: bool

    def features(self, numeric: Sequence[str], text: Sequence[str]) -> list[str]:
        """The features that it is fitted on, out of these."""
        return [*numeric, *text] if self.reads_text else list(numeric)


def _prepared(numeric: Sequence[str], text: Sequence[str]) -> ColumnTransformer:
    """Nulls filled and numbers scaled; one column a category, none for one that was never seen."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), list(numeric)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(text)),
        ]
    )


def _ridge(numeric: Sequence[str], text: Sequence[str]) -> Estimator:
    return Pipeline([("prepare", _prepared(numeric, text)), ("predict", Ridge())])


def _huber(numeric: Sequence[str], text: Sequence[str]) -> Estimator:
    return Pipeline([("prepare", _prepared(numeric, text)), ("predict", HuberRegressor(max_iter=500))])


def _logistic(numeric: Sequence[str], text: Sequence[str]) -> Estimator:
    return Pipeline([("prepare", _prepared(numeric, text)), ("predict", LogisticRegression(max_iter=500))])


def _tree(_numeric: Sequence[str], _text: Sequence[str]) -> Estimator:
    return DecisionTreeRegressor(max_depth=7, min_samples_leaf=NEIGHBOURS, random_state=0)


def _forest(_numeric: Sequence[str], _text: Sequence[str]) -> Estimator:
    return RandomForestRegressor(20, max_depth=8, min_samples_leaf=NEIGHBOURS, max_features=0.75, random_state=0, n_jobs=1)


def _boosted(_numeric: Sequence[str], _text: Sequence[str]) -> Estimator:
    return GradientBoostingRegressor(n_estimators=50, max_depth=3, random_state=0)


def _histogram(_numeric: Sequence[str], _text: Sequence[str]) -> Estimator:
    return HistGradientBoostingRegressor(max_iter=50, max_leaf_nodes=12, random_state=0)


RIDGE = Kind("ridge", _ridge, reads_text=True)
HUBER = Kind("huber", _huber, reads_text=True)
LOGISTIC = Kind("logistic", _logistic, reads_text=True)
TREE = Kind("decision tree", _tree, reads_text=False)
FOREST = Kind("random forest", _forest, reads_text=False)
BOOSTED = Kind("gradient boosting", _boosted, reads_text=False)
"""The one kind here that takes no null: such records become dead letters."""
HISTOGRAM = Kind("histogram boosting", _histogram, reads_text=False)
