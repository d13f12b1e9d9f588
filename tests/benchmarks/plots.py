"""Bars as SVG, without a library: one series, its values written beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

_ROW, _LABEL, _WIDTH, _VALUE, _HEAD = 26, 190, 420, 90, 34
_DECADES = 30.0
"""Where the largest value is more than so many times the smallest, lengths are logarithmic, and the plot says so."""


class Bar(NamedTuple):
    """One value."""

    label: str
    value: float


def bars(title: str, unit: str, shown: Sequence[Bar]) -> str:
    """An SVG document with a bar for each value; values are at least 0."""
    height = _HEAD + _ROW * len(shown) + 8
    scale, is_logarithmic = _scale([bar.value for bar in shown])
    note = f"{unit}, logarithmic" if is_logarithmic else unit
    width = _LABEL + _WIDTH + _VALUE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)} ({escape(note)})</text>',
    ]
    for row, bar in enumerate(shown):
        top = _HEAD + _ROW * row
        length = scale(bar.value) * _WIDTH
        colour = "#1f6f8b" if bar.label.endswith("streamproc") else "#99a8b2"
        lines += [
            f'<text x="{_LABEL - 8}" y="{top + 17}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{_LABEL}" y="{top + 4}" width="{length:.1f}" height="{_ROW - 8}" fill="{colour}"/>',
            f'<text x="{_LABEL + length + 6:.1f}" y="{top + 17}">{bar.value:,.4g}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


class _Scale(NamedTuple):
    """Value → a length from 0 to 1."""

    least: float
    most: float
    is_logarithmic: bool

    def __call__(self, value: float) -> float:
        if not self.is_logarithmic:
            return value / self.most if self.most else 0.0
        return (1 + math.log10(max(value, self.least) / self.least)) / (1 + math.log10(self.most / self.least))


def _scale(values: Sequence[float]) -> tuple[_Scale, bool]:
    positive = [value for value in values if value > 0]
    least, most = min(positive, default=0.0), max(positive, default=0.0)
    is_logarithmic = bool(positive) and most > _DECADES * least and len(positive) == len(values)
    return _Scale(least, most, is_logarithmic), is_logarithmic
