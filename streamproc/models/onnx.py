"""Models in the ONNX format, run by onnxruntime on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray

from streamproc.errors import Reason, RecordError, Stage
from streamproc.models.base import Model, ModelMetadata, OutputKind
from streamproc.models.probe import example_columns

_DTYPES: dict[str, Any] = {  # types of numpy
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
_KINDS = {"b": OutputKind.BOOLEAN, "i": OutputKind.LONG, "u": OutputKind.LONG, "f": OutputKind.DOUBLE}


class _Input(NamedTuple):
    name: str
    dtype: Any  # a type of numpy
    columns: int | None
    """None: as many as come."""


class OnnxModel(Model):
    """An ONNX graph with one matrix input, or one input a feature; its first output is the prediction.

    Scores are given where the second output is a sequence of maps (skl2onnx's `zipmap`); a tensor does not name its classes.
    """

    def __init__(self, data: bytes, feature_names: Sequence[str] | None = None) -> None:
        """Open a session and try it on one row.

        Args:
            data: the artifact.
            feature_names: in the order of the columns or inputs; None: the names of the inputs.

        Raises:
            RecordError: `model_rejected`: not readable, inputs or outputs of another kind, names missing.

        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise _rejected(f"the artifact can't be read as onnx ({type(error).__name__}); export it again") from error
        self._inputs = _inputs(self._session)
        names, n_columns = _names(self._inputs, feature_names)
        self._nbytes = 2 * len(data)
        self._metadata = ModelMetadata(names, OutputKind.DOUBLE, None, n_columns)
        self._metadata = self._described(names, n_columns)

    @property
    def metadata(self) -> ModelMetadata:
        """See `Model`."""
        return self._metadata

    @property
    def nbytes(self) -> int:
        """Twice the artifact: the graph, and the runtime's own copy of its weights. Not measured."""
        return self._nbytes

    def predict(self, data: pd.DataFrame) -> NDArray[Any]:  # the output's own dtype
        """See `Model`."""
        return self.predict_with_scores(data)[0]

    def scores(self, data: pd.DataFrame) -> NDArray[np.float64] | None:
        """See `Model`."""
        return self.predict_with_scores(data)[1]

    def predict_with_scores(self, data: pd.DataFrame) -> tuple[NDArray[Any], NDArray[np.float64] | None]:  # as `predict`
        """Both come from one run of the graph."""
        outputs = self._run(data)
        classes = _map_keys(outputs) if self._metadata.classes is not None else None
        if classes is None:
            return np.asarray(outputs[0]), None
        scores = [[row[key] for key in classes] for row in outputs[1]]
        return np.asarray(outputs[0]), np.array(scores, np.float64).reshape(len(data), len(classes))

    def example(self) -> pd.DataFrame:
        """One row of zeros, and of empty strings where the graph takes strings."""
        columns = example_columns(self._metadata.feature_names, self._metadata.n_columns)
        names = [name for own in columns.values() for name in own]
        dtypes = [entry.dtype for entry in self._inputs] if len(self._inputs) > 1 else [self._inputs[0].dtype] * len(names)
        return pd.DataFrame(
            {
                name: pd.Series([""] if dtype is np.object_ else [0.0], dtype=object if dtype is np.object_ else None)
                for name, dtype in zip(names, dtypes, strict=True)
            }
        )

    def _run(self, data: pd.DataFrame) -> list[Any]:  # arrays, or lists of maps
        if len(self._inputs) == 1:
            only = self._inputs[0]
            return list(self._session.run(None, {only.name: np.ascontiguousarray(data.to_numpy(dtype=only.dtype))}))
        feeds = {
            entry.name: data.iloc[:, index].to_numpy(dtype=entry.dtype).reshape(-1, 1)
            for index, entry in enumerate(self._inputs)
        }
        return list(self._session.run(None, feeds))

    def _described(self, names: tuple[str, ...], n_columns: int | None) -> ModelMetadata:
        try:
            outputs = self._run(self.example())
        except Exception as error:
            raise _rejected(
                f"the graph raises {type(error).__name__} for a row of zeros; export it for rows of these inputs"
            ) from error
        keys = _map_keys(outputs)
        classes = None if keys is None else tuple(map(str, keys))
        return ModelMetadata(names, _kind_of(np.asarray(outputs[0])), classes, n_columns)


def _inputs(session: onnxruntime.InferenceSession) -> tuple[_Input, ...]:
    found = []
    for entry in session.get_inputs():
        if entry.type not in _DTYPES or len(entry.shape) != 2:  # noqa: PLR2004 - rows and columns
            raise _rejected(
                f"input {entry.name!r} is a {entry.type} of {len(entry.shape)} dimensions; expected rows and columns"
            )
        columns = entry.shape[1] if isinstance(entry.shape[1], int) else None
        found.append(_Input(entry.name, _DTYPES[entry.type], columns))
    if not found or (len(found) > 1 and any(entry.columns != 1 for entry in found)):
        raise _rejected("the graph must take one matrix, or one column for each of its inputs")
    return tuple(found)


def _names(inputs: Sequence[_Input], given: Sequence[str] | None) -> tuple[tuple[str, ...], int | None]:
    columns = inputs[0].columns if len(inputs) == 1 else len(inputs)
    if not given:
        if len(inputs) == 1:
            raise _rejected(
                f"the graph takes one matrix ({columns or 'any number of'} columns); name its columns with --features"
            )
        return tuple(entry.name for entry in inputs), None
    too_few = columns is not None and (len(given) > columns or (len(inputs) > 1 and len(given) != columns))
    if too_few or len(set(given)) < len(given):
        raise _rejected(
            f"the graph takes {columns} columns, and {len(given)} feature names are given; give one each, all distinct"
        )
    return tuple(given), None if columns in (None, len(given)) else columns


def _map_keys(outputs: Sequence[Any]) -> tuple[Any, ...] | None:  # labels are integers or strings
    """The classes of the second output's maps, in a fixed order; None where it has no maps."""
    if len(outputs) > 1 and isinstance(outputs[1], list) and outputs[1] and isinstance(outputs[1][0], dict):
        return tuple(sorted(outputs[1][0]))
    return None


def _kind_of(values: NDArray[Any]) -> OutputKind:  # any dtype
    if values.ndim == 2 and values.shape[1] != 1 and values.dtype.kind in "biuf":  # noqa: PLR2004 - several outputs a row
        return OutputKind.ARRAY
    if values.ndim > 2 or values.size != 1:  # noqa: PLR2004 - as above
        raise _rejected(f"the first output has the shape {values.shape} for one row; expected one value, or one row of numbers")
    if values.dtype.kind in "OU" and isinstance(values.ravel()[0], str):
        return OutputKind.STRING
    if values.dtype.kind not in _KINDS:
        raise _rejected(f"the first output is of type {values.dtype}; expected a number, a boolean or a string")
    return _KINDS[values.dtype.kind]


def _rejected(text: str) -> RecordError:
    return RecordError(Reason.MODEL_REJECTED, Stage.ROUTE, text)
