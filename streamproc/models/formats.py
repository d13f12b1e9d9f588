"""The formats of artifacts: which there are, which are allowed, and how bytes become a model."""

from __future__ import annotations

import importlib.util
import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import joblib

from streamproc.errors import ConfigurationError, Reason, RecordError, Stage
from streamproc.models.base import Model
from streamproc.models.quiet import quiet
from streamproc.models.sklearn import SklearnModel
from streamproc.models.skops import load_skops
from streamproc.models.soundness import check_soundness
from streamproc.models.trusted import TRUSTED_TYPES

_SUFFIXES = {".skops": "skops", ".onnx": "onnx", ".joblib": "joblib", ".pkl": "pickle", ".pickle": "pickle"}
_NOTES = {
    "skops": "runs no code from the artifact; trusted types only",
    "onnx": "runs no code from the artifact; needs the extra streamproc[onnx]",
    "joblib": "runs whatever code the artifact holds: allow it only where you trust everybody who can publish",
    "pickle": "runs whatever code the artifact holds: allow it only where you trust everybody who can publish",
}
FORMATS = tuple(_NOTES)
"""Every format there is."""


@dataclass(frozen=True, slots=True)
class FormatDescription:
    """What `models formats` prints of one format."""

    name: str
    suffixes: tuple[str, ...]
    allowed: bool
    """Named in models.formats."""
    note: str


def format_of(file_name: str) -> str:
    """The format that the file's suffix stands for.

    Raises:
        ConfigurationError: none.

    """
    for suffix, name in _SUFFIXES.items():
        if file_name.lower().endswith(suffix):
            return name
    raise ConfigurationError(
        f"the suffix of {file_name!r} names no format; expected one of {', '.join(_SUFFIXES)}, or --format with one of "
        f"{', '.join(FORMATS)}"
    )


class ModelFormats:
    """Turns artifacts into models, in the allowed formats only."""

    def __init__(self, allowed: Sequence[str] = ("skops",), trusted_types: Sequence[str] = ()) -> None:
        """Remember what is allowed.

        Args:
            allowed: of `FORMATS`.
            trusted_types: full names that skops artifacts may hold, besides the built-in ones.

        Raises:
            ConfigurationError: a format that does not exist, or whose extra is not installed.

        """
        unknown = [name for name in allowed if name not in FORMATS]
        if unknown:
            raise ConfigurationError(f"models.formats: expected some of {', '.join(FORMATS)}, found {unknown[0]!r}")
        if "onnx" in allowed and importlib.util.find_spec("onnxruntime") is None:
            raise ConfigurationError("models.formats names onnx, which needs onnxruntime: pip install 'streamproc[onnx]'")
        self._allowed = tuple(allowed)
        self._trusted = frozenset(trusted_types)

    def load(self, data: bytes, format_name: str, feature_names: Sequence[str] | None) -> Model:
        """The model in the artifact, checked and ready to predict.

        Args:
            data: the artifact; its digest has been verified.
            format_name: of `FORMATS`.
            feature_names: the registered ones; None: those that the model knows.

        Raises:
            RecordError: `model_rejected`: the format is not allowed, the artifact can't be read, or it may not be used.

        """
        self.check_allowed(format_name)
        if format_name == "onnx":
            from streamproc.models.onnx import OnnxModel  # noqa: PLC0415 - onnxruntime is an extra

            return OnnxModel(data, feature_names)
        with quiet():
            estimator = load_skops(data, self._trusted) if format_name == "skops" else _unpickled(data, format_name)
            check_soundness(estimator)
        return SklearnModel(estimator, feature_names)

    def check_allowed(self, format_name: str) -> None:
        """Raise unless artifacts of this format may be loaded.

        Raises:
            RecordError: `model_rejected`.

        """
        if format_name not in self._allowed:
            raise _rejected(
                f"the artifact's format is {format_name!r}, and models.formats allows {', '.join(self._allowed) or 'none'}; "
                f"publish it in an allowed format, or add {format_name!r} where you trust everybody who can publish"
            )

    def describe(self) -> tuple[FormatDescription, ...]:
        """Every format, allowed or not."""
        return tuple(
            FormatDescription(name, tuple(s for s, own in _SUFFIXES.items() if own == name), name in self._allowed, note)
            for name, note in _NOTES.items()
        )

    @property
    def trusted_types(self) -> tuple[str, ...]:
        """Every type that a skops artifact may hold, sorted: the built-in list and models.trusted_types."""
        return tuple(sorted(TRUSTED_TYPES | self._trusted))


def _unpickled(data: bytes, format_name: str) -> object:
    try:
        # The operator has allowed this format by name, and the digest says that these are the bytes that were published.
        return joblib.load(io.BytesIO(data)) if format_name == "joblib" else pickle.loads(data)  # noqa: S301 - as said above
    except Exception as error:
        raise _rejected(
            f"the artifact can't be read as {format_name} ({type(error).__name__}); dump it with the library versions that are "
            "installed here"
        ) from error


def _rejected(text: str) -> RecordError:
    return RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text)
