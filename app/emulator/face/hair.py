"""The drawing of three hair styles, in layers: behind the bust, behind the face, in front of it."""

import numpy as np

from app.emulator.face.canvas import Canvas, Point, closed_curve, darker, ellipse, mirrored
from app.emulator.face.looks import AXIS, HairStyle, Look


def behind_bust(canvas: Canvas, look: Look) -> None:
    """Draw the hair behind neck and shoulders."""
    if look.hair_style is HairStyle.BOB:
        _back_of_bob(canvas, look)


def behind_face(canvas: Canvas, look: Look) -> None:
    """Draw the hair around the head."""
    if look.hair_style is HairStyle.CURLS:
        _curls(canvas, look)


def before_face(canvas: Canvas, look: Look, face: list[Point]) -> None:
    """Draw the hair over the forehead, and its shadow on the face."""
    match look.hair_style:
        case HairStyle.BOB:
            _fringe(canvas, look)
        case HairStyle.CURLS:
            _hairline(canvas, look, face)
        case HairStyle.SHORT:
            _short_hair(canvas, look, face)


def _back_of_bob(canvas: Canvas, look: Look) -> None:
    outline = closed_curve(
        mirrored(
            [
                (256, 66),
                (322, 78),
                (366, 130),
                (374, 210),
                (378, 300),
                (372, 372),
                (330, 398),
                (256, 396),
            ],
            AXIS,
        )
    )
    canvas.polygon(outline, darker(look.hair, 0.25))


def _fringe(canvas: Canvas, look: Look) -> None:
    """Draw hair that is parted on one side and covers the ears."""
    left = closed_curve(
        [
            (288, 78),
            (228, 70),
            (172, 92),
            (142, 150),
            (136, 220),
            (134, 300),
            (140, 372),
            (158, 386),
            (170, 350),
            (165, 290),
            (166, 232),
            (178, 188),
            (212, 158),
            (262, 132),
            (292, 100),
        ]
    )
    right = closed_curve(
        [
            (280, 82),
            (326, 86),
            (362, 128),
            (376, 196),
            (379, 290),
            (374, 368),
            (356, 386),
            (343, 350),
            (348, 290),
            (347, 226),
            (338, 180),
            (318, 146),
            (290, 118),
        ]
    )
    for lock in (right, left):
        canvas.polygon(lock, look.hair)
    canvas.shade(ellipse((210, 112), (46, 14)), left, (*look.hair_light[:3], 190), 10)
    canvas.shade(ellipse((344, 128), (12, 30)), right, (*look.hair_light[:3], 130), 8)
    canvas.shade(ellipse((148, 270), (6, 70)), left, (*look.hair_light[:3], 120), 6)
    for strand in (
        [(282, 92), (228, 104), (178, 140), (153, 208), (150, 300)],
        [(284, 102), (236, 124), (190, 152), (164, 206)],
        [(292, 96), (330, 120), (354, 176), (362, 270)],
    ):
        canvas.stroke(strand, 1.8, (*look.hair_light[:3], 110), 0.1)


def _curls(canvas: Canvas, look: Look) -> None:
    rng = np.random.default_rng(3)
    centre = (AXIS, 168)
    angles = np.linspace(np.pi * 0.88, np.pi * 2.12, 17)
    dark = darker(look.hair, 0.2)
    canvas.disc(centre, (112, 104), look.hair)
    for angle in angles:
        spot = centre[0] + 104 * np.cos(angle), centre[1] + 96 * np.sin(angle)
        canvas.disc(spot, (26 + rng.uniform(-4, 5), 26 + rng.uniform(-4, 5)), look.hair)
    for angle, distance in zip(
        rng.uniform(np.pi, 2 * np.pi, 44), rng.uniform(0.55, 1.1, 44), strict=True
    ):
        x, y = centre[0] + 106 * distance * np.cos(angle), centre[1] + 98 * distance * np.sin(angle)
        curl = [(x - 7, y + 2), (x, y - 6), (x + 7, y + 1), (x + 1, y + 6)]
        canvas.stroke(curl, 2.2, (*(look.hair_light if x < AXIS + 30 else dark)[:3], 120), 0.3)


def _hairline(canvas: Canvas, look: Look, face: list[Point]) -> None:
    line = closed_curve(
        mirrored(
            [(256, 90), (310, 92), (358, 150), (352, 196), (338, 176), (318, 146), (256, 133)], AXIS
        )
    )
    canvas.polygon(line, look.hair)
    canvas.shade(ellipse((256, 140), (84, 12)), face, (*look.shadow[:3], 110), 7)
    rng = np.random.default_rng(5)
    for x in np.linspace(178, 334, 11):
        lift = 30 * ((x - AXIS) / 78) ** 2
        radius = 13 + rng.uniform(-2, 2)
        canvas.disc((float(x), 127 + lift), (radius, radius), look.hair)


def _short_hair(canvas: Canvas, look: Look, face: list[Point]) -> None:
    cap = closed_curve(
        [
            (158, 222),
            (150, 168),
            (166, 112),
            (212, 76),
            (270, 66),
            (326, 82),
            (358, 124),
            (362, 176),
            (353, 222),
            (346, 196),
            (340, 164),
            (318, 140),
            (282, 142),
            (236, 130),
            (206, 142),
            (180, 158),
            (168, 190),
        ]
    )
    canvas.shade(ellipse((250, 150), (86, 14)), face, (*look.shadow[:3], 130), 7)
    canvas.polygon(cap, look.hair)
    canvas.shade(ellipse((232, 98), (60, 16)), cap, (*look.hair_light[:3], 190), 12)
    for strand in (
        [(186, 142), (206, 108), (252, 84)],
        [(218, 130), (248, 102), (300, 88)],
        [(262, 134), (300, 108), (334, 112)],
        [(304, 138), (332, 124), (350, 148)],
    ):
        canvas.stroke(strand, 2.4, (*look.hair_light[:3], 130), 0.1)
