"""The errors of streamproc, sorted by their remedy.

::

    StreamprocError
    ├── ConfigurationError    refuse to start (exit 78); names the setting and the allowed values
    ├── RecordError           dead-letter the record and go on; carries reason and stage
    ├── TransientError        wait and retry; one-shot commands give up with exit 69
    │   └── FencedError       this member's place in the group is lost for good: restart it (exit 75)
    └── RefusedError          a command was understood and refused (exit 1)
    anything else             a bug: stop uncommitted and let the orchestrator restart

A message names what was expected, what was found, the setting or record at fault and the remedy. It never quotes a payload,
a secret, or another library's message that might.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The stages of the pipeline, in the order in which a record meets them."""

    POLL = "poll"
    DECODE = "decode"
    ROUTE = "route"
    PREDICT = "predict"
    ENCODE = "encode"
    PRODUCE = "produce"
    COMMIT = "commit"


class Reason(StrEnum):
    """Why a record became a dead letter; `code` is its number in status arrays, where 0 means sound."""

    EMPTY_VALUE = "empty_value"
    BAD_FRAMING = "bad_framing"
    UNKNOWN_SCHEMA = "unknown_schema"
    SCHEMA_NOT_ALLOWED = "schema_not_allowed"
    UNDECODABLE = "undecodable"
    TRAILING_BYTES = "trailing_bytes"
    RECORD_TOO_LARGE = "record_too_large"
    TENANT_MISSING = "tenant_missing"
    TENANT_INVALID = "tenant_invalid"
    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_NOT_ALLOWED = "tenant_not_allowed"
    MODEL_MISSING = "model_missing"
    MODEL_REJECTED = "model_rejected"
    MODEL_UNAVAILABLE = "model_unavailable"
    FEATURE_MISSING = "feature_missing"
    FEATURE_INVALID = "feature_invalid"
    PREDICTION_FAILED = "prediction_failed"
    PREDICTION_TIMEOUT = "prediction_timeout"
    PREDICTION_INVALID = "prediction_invalid"
    OUTPUT_REFUSED = "output_refused"
    CRASHED_PROCESS = "crashed_process"

    @property
    def code(self) -> int:
        """The number that stands for this reason in a `uint8` status array; never 0."""
        return _CODES[self]

    @classmethod
    def from_code(cls, code: int) -> Reason:
        """The reason that `code` stands for.

        Raises:
            KeyError: `code` is 0 (sound) or no reason's number.

        """
        return _REASONS[code]


_CODES: dict[Reason, int] = {reason: number for number, reason in enumerate(Reason, start=1)}
_REASONS: dict[int, Reason] = {number: reason for reason, number in _CODES.items()}


class StreamprocError(Exception):
    """The root of every error that streamproc raises on purpose."""


class ConfigurationError(StreamprocError):
    """What the user configured can't work; refuse to start."""


class RecordError(StreamprocError):
    """One record, or one tenant's records, can't become a prediction; dead-letter and go on."""

    def __init__(self, reason: Reason, stage: Stage, message: str, *, model_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.stage = stage
        self.message = message
        self.model_id = model_id


class TransientError(StreamprocError):
    """A dependency does not answer; nothing is wrong with the records. Wait and retry."""


class FencedError(TransientError):
    """This process lost its place for good: another one acts in its name. Only a restart helps."""


class RefusedError(StreamprocError):
    """A command was understood, and its request refused."""
