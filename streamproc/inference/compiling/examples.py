"""Small fitted estimators that need every kernel, for compiling the kernels before the first record comes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from streamproc.inference.compiling.parts import Estimator

NUMBER, TEXT = "number", "text"
"""The features of the estimators."""


def estimators() -> list[Estimator]:
    """One of each kind, fitted on one number and one text."""
    rows = pd.DataFrame({NUMBER: np.linspace(-1, 1, 8), TEXT: ["a", "b"] * 4})
    classes = rows[NUMBER] > 0
    columns = ColumnTransformer([("number", StandardScaler(), [NUMBER]), ("text", OneHotEncoder(), [TEXT])])
    return [
        make_pipeline(columns, LogisticRegression()).fit(rows, classes),
        DecisionTreeRegressor(max_depth=1).fit(rows[[NUMBER]], rows[NUMBER]),
        HistGradientBoostingClassifier(max_iter=1).fit(rows[[NUMBER]], classes),
    ]
