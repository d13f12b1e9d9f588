"""What a compiled transform consists of: instructions on blocks of registers.

An instruction is `WORDS` integers: its code; the first register that it reads; the first that it writes; how many columns it
is about (`n`); where its integers begin, counted from the first instruction; where its floats begin, counted from the model's.
After the last one stands `END`, then the integers that they refer to.

Text and categories become *codes*: a code is the place of a key among k sorted keys; k: something that is no key; k + 1: what
is missing.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = 6

END: Final = 0
COPY: Final = 1
# Elementwise; each reads one float a column, some two: n of the first, then n of the second.
SUBTRACT: Final = 2
DIVIDE: Final = 3
SUBTRACT_DIVIDE: Final = 4
MULTIPLY: Final = 5
ADD: Final = 6
MULTIPLY_ADD: Final = 7
CLIP: Final = 8
"""Between the first float and the second; NaN stays."""
FILL: Final = 9
"""NaN becomes the float."""
REPLACE: Final = 10
"""What equals the first float becomes the second."""
IS_MISSING: Final = 11
"""1 for NaN, else 0."""
EQUALS: Final = 12
"""1 for what equals the float, else 0."""
CHECK_BOUNDED: Final = 13
"""Infinity in one of the columns is the row's fault. Reads no floats and writes nothing."""
CHECK_FINITE: Final = 14
"""As above, also NaN."""
# Codes.
MATCH: Final = 15
"""Feature (not register) → code. Integers: n + 1 bounds of the keys in the model's text; n + 2 faults by code. `n`: keys."""
ENCODE: Final = 16
"""Number → code. Integers: the feature; n + 2 faults by code. Floats: the keys. `n`: keys."""
LOOKUP: Final = 17
"""Code → n columns. Floats: a row of n by code."""
ONE_HOT: Final = 18
"""Code → n columns, of which at most one differs. Floats: the n columns; by code, what one of them becomes. Integers: by code,
which one, -1: none."""
