"""Publishing refuses what the processor would reject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from streamproc.errors import RefusedError, TransientError
from streamproc.models.base import ArtifactStore, ModelMetadata, OutputKind
from streamproc.models.catalog import Artifact, NewArtifact
from streamproc.models.formats import ModelFormats
from streamproc.models.publishing import ModelPublisher
from streamproc.models.stored import digest_of

X = np.random.default_rng(5).normal(size=(60, 2))


class Shelf(ArtifactStore):
    """A store in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        self.held[name] = data

    def get(self, name: str, max_bytes: int) -> bytes:
        return self.held[name][: max_bytes + 1]

    def check(self) -> None:
        """In memory, it always answers."""


class Book:
    """Registers nothing, and remembers."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.registered: list[tuple[NewArtifact, tuple[str, ...]]] = []

    def publish(self, content: NewArtifact, tenants: Sequence[str] = ()) -> Artifact:
        assert content.store_key in self._shelf.held  # nothing is registered that is not there
        self.registered.append((content, tuple(tenants)))
        return Artifact(f"{content.name}@1", 1, content, datetime(2026, 1, 1, tzinfo=UTC), "test", tuple(tenants))


class Desk:
    """A publisher and what it works with."""

    def __init__(self, *, max_bytes: int = 10**6, problems: Callable[[ModelMetadata], Sequence[str]] = lambda _: ()) -> None:
        self.shelf = Shelf()
        self.book = Book(self.shelf)
        self.publisher = ModelPublisher(self.shelf, self.book, ModelFormats(), max_bytes=max_bytes, problems=problems)

    def refuses(self, data: bytes, *, name: str = "m", features: Sequence[str] | None = ("a", "b")) -> str:
        with pytest.raises(RefusedError) as caught:
            self.publisher.publish(data, name=name, format_name="skops", features=features)
        assert self.shelf.held == {}
        assert self.book.registered == []
        return str(caught.value)


def dump(estimator: Any) -> bytes:  # noqa: ANN401 - scikit-learn ships no types
    data: bytes = skops.io.dumps(estimator)
    return data


LINEAR = dump(LinearRegression().fit(X, X[:, 0]))


def test_a_sound_artifact_is_stored_under_its_digest_and_registered() -> None:
    desk = Desk()
    published = desk.publisher.publish(
        LINEAR, name="prices.v2_x-1", format_name="skops", features=["a", "b"], tenants=["t"], description="d"
    )
    content = published.content
    assert (published.model_id, published.tenants) == ("prices.v2_x-1@1", ("t",))
    assert content.digest == digest_of(LINEAR)
    assert desk.shelf.held == {f"{content.digest[:2]}/{content.digest}.skops": LINEAR}
    assert (content.nbytes, content.format, content.feature_names, content.n_columns) == (
        len(LINEAR),
        "skops",
        ("a", "b"),
        None,
    )
    assert (content.output_kind, content.classes, content.description) == (OutputKind.DOUBLE, None, "d")
    assert {"python", "scikit-learn", "numpy", "skops"} == content.libraries.keys()


@pytest.mark.parametrize("name", ["", "-x", ".x", "a/b", "a b", "a@1", "x" * 101, "é", "a\n", "../x"])
def test_a_name_is_of_letters_digits_and_a_few_signs(name: str) -> None:
    assert "can't be a model's name; expected 1 to 100 letters" in Desk().refuses(LINEAR, name=name)


@pytest.mark.parametrize("name", ["x", "9", "A.b-c_d", "x" * 100])
def test_usual_names_are_taken(name: str) -> None:
    desk = Desk()
    assert desk.publisher.publish(LINEAR, name=name, format_name="skops", features=["a", "b"]).model_id == f"{name}@1"


@pytest.mark.parametrize(
    ("data", "features", "problem"),
    [
        (b"garbage", ["a", "b"], "can't be read as skops"),
        (LINEAR, None, "without feature names on 2 columns; name them with --features"),
        (LINEAR, ["a", "b", "c"], "2 columns, and 3 feature names"),
        (dump(StandardScaler().fit(X)), ["a", "b"], "has no predict"),
        (dump(LinearRegression()), ["a", "b"], "not fitted"),
        (dump(KNeighborsClassifier(algorithm="kd_tree").fit(X, X[:, 0] > 0)), ["a", "b"], "algorithm='brute'"),
        (
            dump(MultiOutputClassifier(DecisionTreeClassifier()).fit(X, np.array([["x", "y"], ["z", "w"]] * 30))),
            ["a", "b"],
            "several outputs that aren't numbers",
        ),
    ],
    ids=["garbage", "no names", "too many names", "transformer", "unfitted", "native tree", "string outputs"],
)
def test_what_the_processor_would_reject_is_refused(data: bytes, features: list[str] | None, problem: str) -> None:
    assert problem in Desk().refuses(data, features=features)


def test_a_format_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"models\.formats allows skops"):
        Desk().publisher.publish(b"", name="m", format_name="pickle")


def test_a_model_larger_than_the_cache_is_refused_with_the_setting() -> None:
    data = dump(RandomForestRegressor(20).fit(X, X[:, 0]))
    assert "more than models.cache_bytes = 1000; raise that" in Desk(max_bytes=1000).refuses(data)


def test_features_that_records_can_not_give_are_refused() -> None:
    problems = [f"feature 'f{number}' is absent" for number in range(12)]
    text = Desk(problems=lambda metadata: [*problems, str(metadata.feature_names)]).refuses(LINEAR)
    assert "feature 'f0' is absent; feature 'f1'" in text
    assert text.endswith("; and 3 more")


def test_a_store_that_does_not_answer_leaves_nothing_registered() -> None:
    desk = Desk()

    def fail(name: str, data: bytes) -> None:
        raise TransientError(f"{name} {len(data)}")

    desk.shelf.put = fail  # type: ignore[method-assign]  # the store of this test fails
    with pytest.raises(TransientError):
        desk.publisher.publish(LINEAR, name="m", format_name="skops", features=["a", "b"])
    assert desk.book.registered == []


def test_an_error_of_the_models_own_code_does_not_quote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("secret value")

    monkeypatch.setattr("streamproc.models.formats.SklearnModel", fail)
    assert "loading the artifact raises ValueError" in (text := Desk().refuses(LINEAR))
    assert "secret" not in text
