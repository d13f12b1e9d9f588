"""The instructions of a schema program, and what may be wrong with a record.

Plain integers, because the kernel compares them millions of times a second. An instruction is a row (op, a, b, c) of an int64
table. A capture writes a slot, see `captures`.
"""

from __future__ import annotations

from typing import Final

END: Final = 0
"""The record is complete."""
RETURN: Final = 1
"""Back to the instruction after the last CALL."""
CALL: Final = 2
"""Walk a named record: a = its first instruction, b = how many levels deeper it stands than the caller's record."""
JUMP: Final = 3
"""a = next instruction."""
SKIP_FIXED: Final = 4
"""a = bytes."""
SKIP_LONG: Final = 5
"""a = how many in a row."""
SKIP_INT: Final = 6
"""a = how many in a row."""
SKIP_BYTES: Final = 7
"""A string or bytes: a length, then as many bytes."""
SKIP_BOOLEAN: Final = 8
SKIP_ENUM: Final = 9
"""a = number of symbols."""
UNION: Final = 10
"""a = where the branches' instructions stand in the jump table, b = number of branches."""
BLOCKS: Final = 11
"""An array or map starts: a = instruction after it, b = level below the record, c = 1 where an item takes no bytes."""
NEXT_ITEM: Final = 12
"""a = its BLOCKS instruction; the items' instructions stand between."""
DOUBLES: Final = 13
"""Capture b doubles in a row, from slot a on."""
FLOAT: Final = 14
"""Capture: a = slot."""
LONG: Final = 15
INT: Final = 16
BOOLEAN: Final = 17
ENUM: Final = 18
"""a = slot, b = number of symbols, c = where its symbols start in the program's list."""
MARK: Final = 19
"""Capture the position only: a = slot, b = kind. The value itself is walked by the next instructions."""

MAX_DEPTH: Final = 64
"""Records, arrays and maps inside each other, the record itself included."""

# What is wrong with a body; 0 means nothing.
TRUNCATED: Final = 1
BAD_VARINT: Final = 2
BAD_LENGTH: Final = 3
BAD_BRANCH: Final = 4
BAD_SYMBOL: Final = 5
BAD_BOOLEAN: Final = 6
INT_RANGE: Final = 7
TOO_MANY_ITEMS: Final = 8
TOO_DEEP: Final = 9
BLOCK_SIZE: Final = 10
TRAILING: Final = 11
NO_BODY: Final = 12
# What is wrong with a frame.
FRAME_SHORT: Final = 13
FRAME_MAGIC: Final = 14
# What is wrong with a tenant.
TENANT_EMPTY: Final = 15
TENANT_LONG: Final = 16
TENANT_TYPE: Final = 17
TENANT_UTF8: Final = 18
TENANT_CONTROL: Final = 19
TENANT_NULL: Final = 20
TENANT_ABSENT: Final = 21
# What is wrong with a whole value.
VALUE_NULL: Final = 22
VALUE_EMPTY: Final = 23
VALUE_LARGE: Final = 24
# The schema source or the header refused it; the error itself is kept beside.
REFUSED: Final = 25

FAULTS: Final = {
    TRUNCATED: "the value ends before its record does",
    BAD_VARINT: "a number takes more than 64 bits",
    BAD_LENGTH: "a length is negative",
    BAD_BRANCH: "a union index names no branch",
    BAD_SYMBOL: "an enum index names no symbol",
    BAD_BOOLEAN: "a boolean is neither 0 nor 1",
    INT_RANGE: "an int takes more than 32 bits",
    TOO_MANY_ITEMS: "arrays and maps have more items than avro.max_record_bytes",
    TOO_DEEP: f"records, arrays and maps nest deeper than {MAX_DEPTH} levels",
    BLOCK_SIZE: "a block of an array or map does not have the size that it states",
    TRAILING: "bytes follow the record",
    NO_BODY: "nothing follows the frame",
}
"""What went wrong, in words that quote nothing of the record."""
