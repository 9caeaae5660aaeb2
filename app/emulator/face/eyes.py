"""The drawing of the eyes, brows and glasses, as a small picture."""

from typing import Final

from PIL import Image

from app.emulator.face.canvas import (
    Box,
    Canvas,
    Point,
    Points,
    closed_curve,
    darker,
    ellipse,
    open_curve,
)
from app.emulator.face.layers import EYE_DISTANCE, EYE_LEVEL
from app.emulator.face.looks import AXIS, Look

EYES_BOX: Final[Box] = (156, 172, 356, 264)

_WHITE: Final = (250, 247, 243)
_PUPIL: Final = (20, 14, 16)
_LASHES: Final = (44, 28, 28)
_FRAME: Final = (52, 46, 50)
_LID_DROP: Final = 16.0
"""The distance that the upper lid moves to close the eye, in pixels."""
_SHUT: Final = 0.12
"""The openness below which the eye is drawn closed."""


def eyes(look: Look, openness: float, gaze: Point, lift: float) -> Image.Image:
    """Draw both eyes and brows: `openness` 0 to 1, `gaze` and brow `lift` in pixels."""
    canvas = Canvas(EYES_BOX)
    for side in (-1, 1):
        _eye(canvas, look, side, openness, gaze)
        _brow(canvas, look, side, lift)
    if look.glasses:
        _glasses(canvas)
    return canvas.picture


def _eye(canvas: Canvas, look: Look, side: int, openness: float, gaze: Point) -> None:
    x, y = AXIS + side * EYE_DISTANCE, EYE_LEVEL

    def at(outwards: float, down: float) -> Point:
        return x + side * outwards, y + down

    drop = (1.0 - openness) * _LID_DROP
    upper = [
        at(-21, 3.5),
        at(-12, -7.5 + drop * 0.72),
        at(1, -12 + drop),
        at(13, -8 + drop * 0.86),
        at(23, 0.5 + drop * 0.3),
    ]
    lower = [at(23, 0.5 + drop * 0.3), at(12, 7), at(0, 9), at(-12, 7.4), at(-21, 3.5)]
    lid = open_curve(upper)
    opening = lid + open_curve(lower)
    if openness > _SHUT:
        canvas.paste(_ball(look, (x + gaze[0], y - 0.6 + gaze[1]), lid, opening))
        canvas.stroke(lower[1:], 1.3, (*darker(look.shadow, 0.25), 150), taper=0.3)
    else:
        canvas.polygon(opening, look.skin)
    lashes = [*upper[:4], at(25.5, -1 + drop * 0.3)]
    canvas.stroke(lashes, look.lashes, _LASHES, taper=0.35)
    crease = [at(-17, -8 + drop * 0.25), at(0, -18.5 + drop * 0.3), at(19, -11 + drop * 0.3)]
    canvas.stroke(crease, 1.6, (*darker(look.shadow, 0.1), 190), taper=0.1)


def _ball(look: Look, middle: Point, lid: Points, opening: Points) -> Canvas:
    """Draw the part of the eyeball that is visible between the lids."""
    x, y = middle
    canvas = Canvas(EYES_BOX)
    canvas.polygon(opening, _WHITE)
    canvas.disc(middle, (11.4, 11.4), darker(look.iris, 0.45))
    iris = ellipse(middle, (9.8, 9.8))
    canvas.polygon(iris, look.iris)
    canvas.shade(ellipse((x, y + 4.5), (6, 4)), iris, (255, 255, 255, 60), blur=2.5)
    canvas.disc(middle, (4.9, 4.9), _PUPIL)
    canvas.disc((x - 3.6, y - 4), (2.6, 2.6), (255, 255, 255))
    canvas.disc((x + 3.4, y + 3.6), (1.2, 1.2), (255, 255, 255, 170))
    shadow = [(px, py - 5) for px, py in lid] + [(px, py + 3.2) for px, py in reversed(lid)]
    canvas.shade(shadow, opening, (70, 50, 60, 120), blur=1.8)
    canvas.clip(opening)
    return canvas


def _brow(canvas: Canvas, look: Look, side: int, lift: float) -> None:
    x, y = AXIS + side * EYE_DISTANCE, EYE_LEVEL - look.brow_height - lift
    thick = look.brow_thickness
    outline = [
        (x - side * 21, y - 0.5),
        (x - side * 6, y - 5.0),
        (x + side * 10, y - 5.0),
        (x + side * 26, y + 4.5),
        (x + side * 10, y - 5.0 + thick * 0.75),
        (x - side * 6, y - 5.0 + thick),
        (x - side * 20, y - 0.5 + thick),
    ]
    canvas.polygon(closed_curve(outline), (*darker(look.hair, 0.1), 235))


def _glasses(canvas: Canvas) -> None:
    for side in (-1, 1):
        x, y = AXIS + side * EYE_DISTANCE, EYE_LEVEL + 3
        rim = closed_curve(
            [
                (x - 30, y - 17),
                (x, y - 21),
                (x + 30, y - 17),
                (x + 31, y + 8),
                (x + 16, y + 23),
                (x - 16, y + 23),
                (x - 31, y + 8),
            ]
        )
        canvas.polygon(rim, (235, 245, 255, 26))
        canvas.stroke([*rim[::4], rim[0]], 3.0, _FRAME)
        canvas.stroke([(AXIS + side * 74, y - 10), (AXIS + side * 93, y - 14)], 3.0, _FRAME)
    bridge = [(AXIS - 13, EYE_LEVEL - 2), (AXIS, EYE_LEVEL - 6), (AXIS + 13, EYE_LEVEL - 2)]
    canvas.stroke(bridge, 3.0, _FRAME)
