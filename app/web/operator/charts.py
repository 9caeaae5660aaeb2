"""The geometry of the console's charts; `templates/operator/charts.html` draws them as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

WIDTH: Final = 620
HEIGHT: Final = 160
GAP: Final = 5.0
LEAST: Final = 2.0
"""The least height of a bar, so that a day with very little is seen."""

_STEPS: Final = (1, 2, 2.5, 5, 10)
_LINES: Final = 4


@dataclass(frozen=True)
class Bar:
    """One day's bar."""

    day: date
    value: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class GridLine:
    """A horizontal grid line, and its value."""

    y: float
    value: float


@dataclass(frozen=True)
class Chart:
    """A bar chart of days, the latest at the right."""

    bars: Sequence[Bar]
    lines: Sequence[GridLine]
    total: float
    width: int = WIDTH
    height: int = HEIGHT

    @classmethod
    def of(cls, values: Sequence[tuple[date, float]]) -> Self:
        """The chart of these days and values, in this order."""
        step = _step(max((value for _, value in values), default=0))
        count = max(math.ceil(max((value for _, value in values), default=0) / step), 1)
        top = step * count
        place = WIDTH / max(len(values), 1)
        bars = [
            _bar(day, value, x=index * place + GAP / 2, width=place - GAP, top=top)
            for index, (day, value) in enumerate(values)
        ]
        lines = [GridLine(HEIGHT - HEIGHT * n / count, step * n) for n in range(1, count + 1)]
        return cls(bars, lines, sum(value for _, value in values))


@dataclass(frozen=True)
class Share:
    """A part of a maximum, in percent."""

    percent: float

    @classmethod
    def of(cls, value: float, most: float) -> Self:
        """The share of `most` that `value` is; 0 when `most` is 0."""
        return cls(round(100 * value / most, 1) if most else 0.0)


def _bar(day: date, value: float, *, x: float, width: float, top: float) -> Bar:
    height = max(HEIGHT * value / top, LEAST) if value else 0.0
    return Bar(
        day, value, round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2)
    )


def _step(most: float) -> float:
    """The distance of grid lines: a round number, of which `_LINES` reach `most`."""
    if most <= _LINES:
        return 1
    magnitude = 10.0 ** math.floor(math.log10(most / _LINES))
    return next(step * magnitude for step in _STEPS if step * magnitude * _LINES >= most)
