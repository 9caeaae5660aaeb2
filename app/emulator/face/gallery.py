"""A portrait that can take any pose.

What is still is drawn once, what moves when first wanted; a picture is then only put together.
"""

import asyncio
from functools import lru_cache
from math import cos, sin
from typing import Final, NamedTuple

from PIL import Image

from app.emulator.face.canvas import Point
from app.emulator.face.eyes import EYES_BOX, eyes
from app.emulator.face.lips import MOUTH_BOX, mouth
from app.emulator.face.looks import LOOKS, Look, look_of
from app.emulator.face.portrait import HEAD_BOX, MOUTH, background, bust, head
from app.emulator.speech.visemes import Mouth

JAW_STEPS: Final = 6
BREATH_STEPS: Final = 9

_JAW_PIXELS: Final = 8.0
_BREATH_PIXELS: Final = 2
_MARGIN: Final = 8
"""Room around the head for it to turn in."""


class Pose(NamedTuple):
    """All that a picture depends on."""

    breath: int
    """From 0 (out) to `BREATH_STEPS` - 1 (in)."""
    jaw: int
    """From 0 (closed) to `JAW_STEPS` - 1 (open)."""
    mouth: Mouth
    openness: float
    """Of the eyes, 0 to 1."""
    gaze: Point
    """Where the eyes look, in pixels off the viewer."""
    lift: float
    """Of the brows, in pixels."""
    turn: tuple[float, float, float]
    """How the head is held: radians about the mouth, then pixels to the right and down."""


class Portrait:
    """One look, drawn; to draw it takes about half a second."""

    def __init__(self, look: Look) -> None:
        self._scenes = _scenes(look)
        heads = [head(look, _JAW_PIXELS * step / (JAW_STEPS - 1)) for step in range(JAW_STEPS)]
        # To turn a picture costs time for each of its pixels, so the empty ones are cut off.
        left, top, right, bottom = heads[-1].getbbox() or (0, 0, *heads[-1].size)
        box = left - _MARGIN, top - _MARGIN, right + _MARGIN, bottom + _MARGIN
        self._heads = [picture.crop(box) for picture in heads]
        self._corner = HEAD_BOX[0] + box[0], HEAD_BOX[1] + box[1]

        @lru_cache(maxsize=128)
        def eyes_of(openness: float, gaze: Point, lift: float) -> Image.Image:
            return eyes(look, openness, gaze, lift)

        @lru_cache(maxsize=512)
        def mouth_of(shape: Mouth) -> Image.Image:
            return mouth(look, shape)

        self._eyes = eyes_of
        self._mouth = mouth_of

    def picture(self, pose: Pose) -> Image.Image:
        """Return the portrait in a pose."""
        face = self._heads[pose.jaw].copy()
        face.alpha_composite(
            self._eyes(pose.openness, pose.gaze, pose.lift), self._within_head(EYES_BOX)
        )
        face.alpha_composite(self._mouth(pose.mouth), self._within_head(MOUTH_BOX))
        turned = _turned(face, self._within_head(MOUTH), *pose.turn)
        picture = self._scenes[pose.breath].copy()
        picture.paste(turned, self._corner, turned)
        return picture

    def _within_head(self, corner: tuple[float, ...]) -> tuple[int, int]:
        return int(corner[0]) - self._corner[0], int(corner[1]) - self._corner[1]


async def portrait_of(avatar_id: str) -> Portrait:
    """Return the portrait for an avatar id, drawn in a thread when it is first wanted."""
    return await asyncio.to_thread(_portrait, look_of(avatar_id))


@lru_cache(maxsize=len(LOOKS))
def _portrait(look: Look) -> Portrait:
    return Portrait(look)


def _scenes(look: Look) -> list[Image.Image]:
    """Return background and bust, from breathed out to breathed in."""
    wall, body = background(look), bust(look)
    width, height = body.size
    raised = Image.new("RGBA", (width, height + _BREATH_PIXELS))
    raised.paste(body, (0, _BREATH_PIXELS))
    scenes = []
    for step in range(BREATH_STEPS):
        # Moved by a part of a pixel; to resize does that far faster than to transform.
        top = _BREATH_PIXELS * step / (BREATH_STEPS - 1)
        box = (0, top, width, top + height)
        lowered = raised.resize(body.size, Image.Resampling.BICUBIC, box)
        scene = wall.copy()
        scene.paste(lowered, (0, 0), lowered)
        scenes.append(scene)
    return scenes


def _turned(picture: Image.Image, pivot: Point, angle: float, dx: float, dy: float) -> Image.Image:
    """Return a picture turned about a point, then moved; `transform` wants the way back."""
    x, y = pivot
    c, s = cos(angle), sin(angle)
    back = (c, s, x - c * (x + dx) - s * (y + dy), -s, c, y + s * (x + dx) - c * (y + dy))
    return picture.transform(picture.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
