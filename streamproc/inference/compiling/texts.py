"""Categories that are text, as kernels search for them."""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.inference.compiling.parts import NotCompilableError


def sorted_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Distinct texts in the order of their UTF-8.

    Raises:
        NotCompilableError: one of them has no UTF-8.

    """
    try:
        return tuple(sorted(set(texts), key=str.encode))
    except UnicodeEncodeError:
        raise NotCompilableError("an encoder knows a category that is no UTF-8, which no record can hold") from None
