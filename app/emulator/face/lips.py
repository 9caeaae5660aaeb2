"""The drawing of the mouth in any shape, as a small picture."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.emulator.face.canvas import Box, Canvas, Point, darker, ellipse
from app.emulator.face.layers import MOUTH
from app.emulator.face.looks import Look
from app.emulator.speech.visemes import MouthShape

MOUTH_BOX: Final[Box] = (196, 270, 316, 360)

_CAVITY: Final = (92, 28, 34)
_TONGUE: Final = (206, 96, 100)
_TEETH: Final = (252, 248, 240)
_SHUT: Final = 1.5
"""The gap below which the lips are drawn closed, in pixels."""

_X: Final = np.linspace(-1.0, 1.0, 49)
"""The horizontal positions from corner to corner, in halves of the mouth's width."""


@dataclass(frozen=True, slots=True)
class _Lips:
    """The lips as four curves from corner to corner: heights over `_X`, in pixels downwards."""

    half_width: float
    gap: float
    upper_edge: NDArray[np.float64]
    upper_seam: NDArray[np.float64]
    lower_seam: NDArray[np.float64]
    lower_edge: NDArray[np.float64]

    @classmethod
    def of(cls, shape: MouthShape) -> Self:
        """The lips for a shape; at rest their corners are a little raised."""
        wide, round_ = max(0.0, shape.spread), max(0.0, -shape.spread)
        half_width = 35.0 + 7.0 * wide - 16.0 * round_ - 2.0 * shape.opening
        gap = 36.0 * shape.opening * (1.0 - 0.3 * shape.tuck)
        smile = 7.0 * (1.0 - 0.55 * shape.opening) * (1.0 - 0.8 * round_)
        rise = -smile * np.abs(_X) ** 2.2
        # An open mouth is rounder than one that is nearly closed.
        arch = (1.0 - np.abs(_X) ** (2.0 + 0.5 * shape.opening)) ** (1.0 - 0.3 * min(1.0, gap / 4))
        upper_seam = rise - 0.34 * gap * arch
        lower_seam = rise + 0.66 * gap * arch
        plump = 1.0 - np.abs(_X) ** 2.6
        pressed = 0.45 * shape.tuck * max(0.0, 1.0 - gap / 3)
        upper = (6.4 + 1.6 * round_ - 1.2 * wide) * (1.0 - pressed)
        lower = (8.6 + 1.8 * round_ - 1.2 * wide) * (1.0 - 0.5 * shape.tuck)
        bow = 2.4 * np.exp(-((_X * half_width / 5.5) ** 2)) * (1.0 - 0.5 * round_)
        return cls(
            half_width=half_width,
            gap=gap,
            upper_edge=upper_seam - upper * plump**0.8 + bow,
            upper_seam=upper_seam,
            lower_seam=lower_seam,
            lower_edge=lower_seam + lower * plump**0.7,
        )

    def curve(self, heights: NDArray[np.float64]) -> list[Point]:
        """A curve in the picture's coordinates."""
        x, y = MOUTH
        xs = x + self.half_width * _X
        return list(zip(xs.tolist(), (y + heights).tolist(), strict=True))

    def between(self, above: NDArray[np.float64], below: NDArray[np.float64]) -> list[Point]:
        """The outline of the area between two curves."""
        return self.curve(above) + self.curve(below)[::-1]


def mouth(look: Look, shape: MouthShape) -> Image.Image:
    """Draw the mouth in a shape."""
    lips = _Lips.of(shape)
    canvas = Canvas(MOUTH_BOX)
    _skin_around(canvas, look, lips)
    canvas.polygon(lips.between(lips.upper_edge, lips.lower_edge), look.lip)
    upper = lips.between(lips.upper_edge, lips.upper_seam)
    canvas.shade(upper, upper, darker(look.lip, 0.16), blur=1.2)
    _highlight(canvas, lips)
    if lips.gap > _SHUT:
        canvas.paste(_inside(lips, shape))
    else:
        seam = lips.curve(lips.upper_seam)[2:-2:4]
        canvas.stroke(seam, 2.2, darker(look.lip, 0.55), taper=0.25)
    return canvas.picture


def _skin_around(canvas: Canvas, look: Look, lips: _Lips) -> None:
    """Draw the shadows below the lower lip and in the corners."""
    x, y = MOUTH
    chin = ellipse((x, y + float(lips.lower_edge.max()) + 6), (lips.half_width * 0.55, 4.5))
    canvas.shade(chin, ellipse((x, y + 20), (60, 50)), (*look.shadow[:3], 110), blur=4)
    for side in (-1, 1):
        corner = x + side * (lips.half_width + 1), y + float(lips.upper_seam[0])
        dimple, around = ellipse(corner, (2.2, 2.2)), ellipse(corner, (9, 9))
        canvas.shade(dimple, around, (*darker(look.shadow, 0.2), 120), blur=1.6)


def _highlight(canvas: Canvas, lips: _Lips) -> None:
    x, y = MOUTH
    middle = len(_X) // 2
    height = float(0.55 * lips.lower_seam[middle] + 0.45 * lips.lower_edge[middle])
    lower = lips.between(lips.lower_seam, lips.lower_edge)
    light = ellipse((x - 4, y + height), (lips.half_width * 0.36, 2))
    canvas.shade(light, lower, (255, 226, 214, 120), blur=2.2)


def _inside(lips: _Lips, shape: MouthShape) -> Canvas:
    """Draw the inside of an open mouth: tongue, teeth, and the shadow of the upper lip."""
    x, y = MOUTH
    hole = lips.between(lips.upper_seam, lips.lower_seam)
    canvas = Canvas(MOUTH_BOX)
    canvas.polygon(hole, _CAVITY)
    tongue = y + lips.gap * (0.66 - 0.55 * shape.tongue) + 5
    canvas.disc((x, tongue), (lips.half_width * 0.62, lips.gap * 0.34 + 3), _TONGUE)
    depth = min(lips.gap * 0.8, 9.0) * min(1.0, shape.teeth * 1.4)
    edge = lips.upper_seam + depth * (1.0 - np.abs(_X) ** 3.2)
    canvas.polygon(lips.between(lips.upper_seam - 2, edge), _TEETH)
    shadow = lips.between(lips.upper_seam - 3, lips.upper_seam + 3)
    canvas.shade(shadow, hole, (60, 14, 20, 130), blur=2.5)
    canvas.clip(hole)
    return canvas
