"""Why a compiled model could not predict a record, in words."""

from __future__ import annotations

from typing import Final

from streamproc.errors import Reason, RecordError, Stage
from streamproc.inference import packed

UNENCODABLE: Final = (
    "the prediction holds NaN, infinity or a value that the output schema can't; the model returned what it must not"
)
_FEATURE_FAULTS: Final = {
    packed.IS_NULL: (
        Reason.FEATURE_MISSING,
        "is null or absent, and the tenant's model needs it; send it, or train with missing values",
    ),
    packed.IS_NAN: (Reason.FEATURE_INVALID, "is NaN, which the tenant's model does not take"),
    packed.IS_INFINITE: (Reason.FEATURE_INVALID, "is infinite, which the tenant's model does not take"),
    packed.TOO_LARGE: (
        Reason.PREDICTION_FAILED,
        "is too large for the float32 numbers that the tenant's model reads; train it on smaller ones",
    ),
    packed.UNKNOWN_CATEGORY: (
        Reason.PREDICTION_FAILED,
        "is a category that the tenant's model was not fitted with, and refuses; train it with handle_unknown",
    ),
    packed.BAD_TEXT: (Reason.UNDECODABLE, "is a text that is no UTF-8"),
}


def fault(status: int, column: str | None, model_id: str | None) -> RecordError:
    """The error of a row with this status, at the model's column of this name, if it is known."""
    known = _FEATURE_FAULTS.get(status)
    if known is None:
        text = "the model's own preprocessing made a number that its estimator does not take; see its scalers and encoders"
        return RecordError(Reason.PREDICTION_FAILED, Stage.PREDICT, text, model_id=model_id)
    reason, words = known
    stage = Stage.DECODE if reason is Reason.UNDECODABLE else Stage.PREDICT
    return RecordError(reason, stage, f"{f'feature {column!r}' if column else 'a feature'} {words}", model_id=model_id)
