"""Models are compiled when they are loaded, and no model is lost to it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from streamproc.errors import Reason, RecordError, Stage
from streamproc.inference import repository as repository_of
from streamproc.inference.compiled import CompiledModel
from streamproc.inference.repository import CompilingRepository, Native, compiled_or_native
from streamproc.models.base import Model, ModelMetadata, ModelRepository, OutputKind
from streamproc.models.observer import ServedBy
from streamproc.models.sklearn import SklearnModel

RNG = np.random.default_rng(5)
FRAME = pd.DataFrame(RNG.normal(size=(80, 2)), columns=["a", "b"])
LABEL = (FRAME["a"] > 0).to_numpy().astype(int)


class Constant(Model):
    """A model of a user's own."""

    @property
    def metadata(self) -> ModelMetadata:
        return ModelMetadata(("a", "b"), OutputKind.LONG)

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # integers
        return np.zeros(len(data), np.int64)


class Models(ModelRepository):
    def __init__(self, **models: Model) -> None:
        self.models = models

    def get_model(self, model_id: str) -> Model:
        if model_id not in self.models:
            raise RecordError(Reason.MODEL_MISSING, Stage.ROUTE, "there is none")
        return self.models[model_id]


class Kinds:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[ServedBy] = []

    def model_compiled(self, kind: ServedBy) -> None:
        self.told.append(kind)


MODELS: dict[ServedBy, Model] = {
    "linear": SklearnModel(LogisticRegression().fit(FRAME, LABEL)),
    "trees": SklearnModel(RandomForestClassifier(5, random_state=1).fit(FRAME, LABEL)),
    "histogram": SklearnModel(HistGradientBoostingRegressor(max_iter=5).fit(FRAME, FRAME["a"])),
    "native": SklearnModel(KNeighborsClassifier(3).fit(FRAME, LABEL)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_has_a_kernel_is_compiled_and_the_kind_is_told(kind: ServedBy) -> None:
    kinds = Kinds()
    model = CompilingRepository(Models(m=MODELS[kind]), observer=kinds).get_model("m")
    assert isinstance(model, CompiledModel) == (kind != "native")
    assert kinds.told == [kind]
    np.testing.assert_array_equal(model.predict(FRAME), MODELS[kind].predict(FRAME))


def test_a_model_without_a_kernel_is_the_one_that_was_loaded_and_says_why() -> None:
    found = compiled_or_native(MODELS["native"])
    assert isinstance(found, Native)
    assert found.model is MODELS["native"]
    assert "KNeighborsClassifier" in found.why
    assert found.bug is None


def test_a_model_that_is_not_scikit_learns_predicts_natively() -> None:
    constant = Constant()
    found = compiled_or_native(constant)
    assert isinstance(found, Native)
    assert found.model is constant
    assert "Constant" in found.why


def test_a_bug_of_ours_costs_speed_and_not_the_model(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(model: SklearnModel) -> None:
        raise KeyError(f"secret of {model}")

    monkeypatch.setattr(repository_of, "compile_model", broken)
    kinds = Kinds()
    with caplog.at_level(logging.WARNING):
        model = CompilingRepository(Models(m=MODELS["linear"]), observer=kinds).get_model("m")
    assert model is MODELS["linear"]
    assert kinds.told == ["native"]
    assert "Model m predicts natively" in caplog.text
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


def test_a_model_without_a_kernel_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        CompilingRepository(Models(m=MODELS["native"])).get_model("m")
    assert not caplog.records


def test_what_the_repository_raises_is_passed_on() -> None:
    kinds = Kinds()
    with pytest.raises(RecordError) as raised:
        CompilingRepository(Models(), observer=kinds).get_model("absent")
    assert raised.value.reason is Reason.MODEL_MISSING
    assert not kinds.told
