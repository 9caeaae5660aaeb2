"""A portrait in any pose, composed of layers.

The still layers are drawn once, eyes and mouths when first needed; both are cached.
"""

import asyncio
from functools import lru_cache
from math import cos, sin
from typing import Final, NamedTuple

from PIL import Image

from app.emulator.face.canvas import Point
from app.emulator.face.eyes import EYES_BOX, eyes
from app.emulator.face.layers import HEAD_BOX, MOUTH, background, bust, head
from app.emulator.face.lips import MOUTH_BOX, mouth
from app.emulator.face.looks import LOOKS, Look, look_of
from app.emulator.speech.visemes import REST, MouthShape

JAW_STEPS: Final = 6
BREATH_STEPS: Final = 9

_JAW_PIXELS: Final = 8.0
_BREATH_PIXELS: Final = 2
_MARGIN: Final = 8
"""The margin around the head, in pixels, in which it can rotate."""


class Pose(NamedTuple):
    """The parameters of a picture."""

    breath: int
    """The breath, from 0 (out) to `BREATH_STEPS` - 1 (in)."""
    jaw: int
    """The jaw, from 0 (closed) to `JAW_STEPS` - 1 (open)."""
    mouth: MouthShape
    openness: float
    """The openness of the eyes, from 0 to 1."""
    gaze: Point
    """The direction of the eyes, in pixels away from the viewer."""
    lift: float
    """The lift of the brows, in pixels."""
    turn: tuple[float, float, float]
    """The position of the head: radians about the mouth, then pixels to the right and down."""


class Portrait:
    """The layers of one look, ready to be composed; drawing them takes about half a second."""

    def __init__(self, look: Look) -> None:
        self._scenes = _scenes(look)
        heads = [head(look, _JAW_PIXELS * step / (JAW_STEPS - 1)) for step in range(JAW_STEPS)]
        # Rotating a picture takes time for each pixel, so the empty margin is cut off.
        left, top, right, bottom = heads[-1].getbbox() or (0, 0, *heads[-1].size)
        box = left - _MARGIN, top - _MARGIN, right + _MARGIN, bottom + _MARGIN
        self._heads = [picture.crop(box) for picture in heads]
        self._corner = HEAD_BOX[0] + box[0], HEAD_BOX[1] + box[1]

        @lru_cache(maxsize=128)
        def eyes_of(openness: float, gaze: Point, lift: float) -> Image.Image:
            return eyes(look, openness, gaze, lift)

        @lru_cache(maxsize=512)
        def mouth_of(shape: MouthShape) -> Image.Image:
            return mouth(look, shape)

        self._eyes = eyes_of
        self._mouth = mouth_of

    def picture(self, pose: Pose) -> Image.Image:
        """Compose the portrait in a pose."""
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


@lru_cache(maxsize=len(LOOKS))
def picture_at_rest(look: Look) -> Image.Image:
    """One picture of a look, not to be changed, in a fraction of the time for a portrait."""
    picture = background(look)
    for layer, box in (
        (bust(look), (0, 0)),
        (head(look, 0), HEAD_BOX),
        (eyes(look, openness=1, gaze=(0, 0), lift=0), EYES_BOX),
        (mouth(look, REST), MOUTH_BOX),
    ):
        picture.paste(layer, (int(box[0]), int(box[1])), layer)
    return picture.convert("RGB")


async def portrait_of(avatar_id: str) -> Portrait:
    """The portrait for an avatar id, drawn in a thread when it is first needed."""
    return await asyncio.to_thread(_portrait, look_of(avatar_id))


async def picture_of(avatar_id: str) -> Image.Image:
    """The picture at rest for an avatar id, drawn in a thread when it is first needed."""
    return await asyncio.to_thread(picture_at_rest, look_of(avatar_id))


@lru_cache(maxsize=len(LOOKS))
def _portrait(look: Look) -> Portrait:
    return Portrait(look)


def _scenes(look: Look) -> list[Image.Image]:
    """The pictures of background and bust, from breathed out to breathed in."""
    wall, body = background(look), bust(look)
    width, height = body.size
    raised = Image.new("RGBA", (width, height + _BREATH_PIXELS))
    raised.paste(body, (0, _BREATH_PIXELS))
    scenes = []
    for step in range(BREATH_STEPS):
        # Moved by a fraction of a pixel, for which resizing is far faster than transforming.
        top = _BREATH_PIXELS * step / (BREATH_STEPS - 1)
        box = (0, top, width, top + height)
        lowered = raised.resize(body.size, Image.Resampling.BICUBIC, box)
        scene = wall.copy()
        scene.paste(lowered, (0, 0), lowered)
        scenes.append(scene)
    return scenes


def _turned(picture: Image.Image, pivot: Point, angle: float, dx: float, dy: float) -> Image.Image:
    """A picture rotated about a point, then moved by `dx` and `dy`."""
    x, y = pivot
    c, s = cos(angle), sin(angle)
    # `transform` takes the inverse, from the result's coordinates to the original's.
    back = (c, s, x - c * (x + dx) - s * (y + dy), -s, c, y + s * (x + dx) - c * (y + dy))
    return picture.transform(picture.size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
