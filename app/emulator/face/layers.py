"""The still layers of a portrait, drawn once for each look: background, bust and head.

All coordinates are those of the whole picture, 512 by 512, the face looking at the viewer.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from app.emulator.face import hair
from app.emulator.face.canvas import Box, Canvas, Point, closed_curve, darker, ellipse, mirrored
from app.emulator.face.looks import AXIS, HairStyle, Look

SIZE: Final = 512
HEAD_BOX: Final[Box] = (120, 40, 392, 392)
"""The area of the picture that the head may cover."""

EYE_LEVEL: Final = 226.0
EYE_DISTANCE: Final = 43.0
MOUTH: Final[Point] = (AXIS, 304.0)


def background(look: Look) -> Image.Image:
    """Draw a plain wall with a soft light on it."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    distance = np.clip(np.hypot(x - 0.38, (y - 0.3) * 0.9) / 0.85, 0, 1)[..., None]
    weight = distance * distance * (3 - 2 * distance)
    light, dark = (np.array(colour[:3], float) for colour in look.background)
    # Noise of half a level hides the banding of a smooth gradient after encoding.
    grain = np.random.default_rng(7).uniform(-0.5, 0.5, (SIZE, SIZE, 1))
    return Image.fromarray(np.uint8(np.clip(light + (dark - light) * weight + grain, 0, 255)))


def bust(look: Look) -> Image.Image:
    """Draw shoulders, neck and the hair behind them."""
    canvas = Canvas((0, 0, SIZE, SIZE))
    hair.behind_bust(canvas, look)
    shoulders = closed_curve(
        mirrored(
            [(256, 392), (300, 396), (352, 416), (412, 440), (448, 486), (462, 560), (256, 600)],
            AXIS,
        )
    )
    canvas.polygon(shoulders, look.shirt)
    canvas.shade(ellipse((430, 520), (70, 110)), shoulders, (*look.shirt_dark[:3], 200), 26)
    canvas.shade(ellipse((80, 540), (50, 110)), shoulders, (*look.shirt_dark[:3], 150), 26)
    neck = closed_curve(
        mirrored(
            [(256, 300), (296, 306), (297, 350), (301, 384), (322, 404), (290, 428), (256, 436)],
            AXIS,
        )
    )
    canvas.polygon(neck, look.skin)
    canvas.shade(ellipse((262, 346), (62, 38)), neck, (*look.shadow[:3], 235), 9)
    canvas.shade(ellipse((310, 380), (22, 60)), neck, (*look.shadow[:3], 120), 9)
    _collar(canvas, look)
    return canvas.picture


def head(look: Look, jaw: float) -> Image.Image:
    """Draw the head without eyes and mouth, with the jaw lowered by `jaw` pixels."""
    canvas = Canvas(HEAD_BOX)
    hair.behind_face(canvas, look)
    if look.hair_style is not HairStyle.BOB:
        for side in (-1, 1):
            _ear(canvas, look, side)
    face = _face_outline(jaw)
    canvas.polygon(face, look.skin)
    _shade_face(canvas, look, face, jaw)
    _nose(canvas, look)
    hair.before_face(canvas, look, face)
    return canvas.picture


def _face_outline(jaw: float) -> list[Point]:
    right: Sequence[Point] = (
        (256, 104),
        (304, 112),
        (340, 150),
        (349, 208),
        (343, 258 + jaw * 0.2),
        (325, 304 + jaw * 0.7),
        (294, 341 + jaw),
        (256, 351 + jaw),
    )
    return closed_curve(mirrored(right, AXIS))


def _shade_face(canvas: Canvas, look: Look, face: list[Point], jaw: float) -> None:
    """Shade the face as lit from the upper left."""
    canvas.shade(ellipse((356, 262), (40, 120)), face, (*look.shadow[:3], 150), 18)
    canvas.shade(ellipse((256, 372 + jaw), (92, 34)), face, (*look.shadow[:3], 120), 16)
    canvas.shade(ellipse((160, 300), (26, 70)), face, (*look.shadow[:3], 60), 16)
    canvas.shade(ellipse((228, 160), (52, 34)), face, (255, 246, 232, 70), 20)
    for side in (-1, 1):
        cheek = ellipse((AXIS + side * 58, 272 + jaw * 0.3), (24, 17))
        canvas.shade(cheek, face, (*look.blush[:3], 105), 11)
        socket = ellipse((AXIS + side * EYE_DISTANCE, EYE_LEVEL - 4), (31, 18))
        canvas.shade(socket, face, (*look.shadow[:3], 60), 8)


def _nose(canvas: Canvas, look: Look) -> None:
    region = ellipse((AXIS, 250), (40, 60))
    dark = look.shadow[:3]
    bridge = [(262, 218), (268, 246), (275, 262), (262, 262), (259, 240)]
    canvas.shade(bridge, region, (*dark, 95), 5)
    canvas.shade(ellipse((256, 273), (19, 6)), region, (*dark, 150), 4)
    canvas.shade(ellipse((251, 256), (6, 9)), region, (255, 246, 232, 80), 4)
    for side in (-1, 1):
        nostril = [
            (AXIS + side * 4, 269.5),
            (AXIS + side * 9, 267.5),
            (AXIS + side * 13.5, 268.5),
        ]
        canvas.stroke(nostril, 3.2, darker(look.shadow, 0.4), 0.2)
        wing = [(AXIS + side * 16, 256), (AXIS + side * 19.5, 264), (AXIS + side * 15, 271)]
        canvas.stroke(wing, 2.0, (*dark, 170), 0.1)


def _ear(canvas: Canvas, look: Look, side: int) -> None:
    outline = closed_curve(
        [
            (AXIS + side * 84, 214),
            (AXIS + side * 98, 206),
            (AXIS + side * 107, 220),
            (AXIS + side * 102, 246),
            (AXIS + side * 91, 262),
            (AXIS + side * 82, 256),
        ]
    )
    canvas.polygon(outline, look.skin)
    canvas.shade(ellipse((AXIS + side * 92, 236), (8, 20)), outline, (*look.shadow[:3], 190), 4)
    if look.earrings:
        canvas.disc((AXIS + side * 93, 268), (6, 6), (214, 168, 74))
        canvas.disc((AXIS + side * 93 - 1.6, 266), (2, 2), (250, 226, 160))


def _collar(canvas: Canvas, look: Look) -> None:
    rim = [(191, 402), (217, 427), (256, 437), (295, 427), (321, 402)]
    canvas.stroke(rim, 12, look.shirt_dark, taper=0.3)
