"""The animation of a portrait: the pose, and so the picture, for each moment.

The mouth moves only with the voice: between utterances the head rotates about the mouth, by less
than a degree, so that the mouth stays in its place.
"""

from math import cos, exp, pi, radians, sin
from typing import Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from app.emulator.face.canvas import Point
from app.emulator.face.portrait import BREATH_STEPS, JAW_STEPS, Portrait, Pose
from app.emulator.speech.visemes import MouthShape

_BREATH_SECONDS: Final = 4.6
_BLINK_EVERY_SECONDS: Final = 3.4
_BLINK_SECONDS: Final = 0.24
_SECOND_BLINK_AFTER_SECONDS: Final = 0.34
_SECOND_BLINK_CHANCE: Final = 0.25
_GAZE_SECONDS: Final = 1.9
_GAZE_ASIDE_CHANCE: Final = 0.4
_EASE_SECONDS: Final = 0.35
"""The time constant with which the head's movement begins with the voice, and ends after it."""
_STILL: Final = 0.01
"""The liveliness below which the head does not move with the voice."""
_IDLE_RATE: Final = 25 / 3
"""The pictures a second while nothing is said; blinks still have the full rate."""


class FaceAnimator:
    """Animates one portrait for one viewer; not safe for two threads at once."""

    frame_rate: Final = 25

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._liveliness = 0.0
        self._emphasis = 0.0
        self._last = 0.0
        self._drawn: tuple[Pose, av.VideoFrame] | None = None
        # Reused, because each new one computes its tables again.
        self._reformatter = VideoReformatter()

    def render(self, seconds: float, shape: MouthShape, *, speaking: bool) -> av.VideoFrame:
        """Draw the picture of a moment; the same frame is returned when nothing has moved."""
        self._follow(seconds, shape, speaking=speaking)
        pose = self._pose(seconds, shape)
        if self._drawn is None or self._drawn[0] != pose:
            pixels = np.asarray(self._portrait.picture(pose))
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            self._drawn = pose, self._reformatter.reformat(picture, format="yuv420p")
        return self._drawn[1]

    def _follow(self, seconds: float, shape: MouthShape, *, speaking: bool) -> None:
        """Move the head and the brows towards the state of the voice, with some delay."""
        kept = exp(-max(0.0, seconds - self._last) / _EASE_SECONDS)
        self._last = seconds
        self._liveliness = self._liveliness * kept + float(speaking) * (1 - kept)
        self._emphasis = self._emphasis * kept + shape.opening * (1 - kept)

    def _pose(self, seconds: float, shape: MouthShape) -> Pose:
        liveliness = self._liveliness if self._liveliness > _STILL else 0.0
        # At rest the movement is so slow that a third of the pictures is enough.
        moment = seconds if liveliness else int(seconds * _IDLE_RATE) / _IDLE_RATE
        return Pose(
            breath=_breath(moment),
            jaw=round(shape.opening * (JAW_STEPS - 1)),
            mouth=_rounded(shape),
            openness=_openness(seconds),
            gaze=_gaze(seconds),
            lift=round(8 * self._emphasis) / 2,
            turn=_turn(moment, liveliness),
        )


class StillFace:
    """Renders one picture that never moves; not for two threads at once."""

    frame_rate: Final = 5

    def __init__(self, picture: Image.Image) -> None:
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        self._picture = frame.reformat(format="yuv420p")

    def render(self, seconds: float, shape: MouthShape, *, speaking: bool) -> av.VideoFrame:  # noqa: ARG002 - it shows neither
        """Return the same picture at any time."""
        return self._picture


def _rounded(shape: MouthShape) -> MouthShape:
    """Round a shape to steps too small to see, so that fewer pictures have to be cached."""
    return MouthShape(
        opening=round(shape.opening * 20) / 20,
        spread=round(shape.spread * 6) / 6,
        teeth=round(shape.teeth * 4) / 4,
        tongue=round(shape.tongue * 3) / 3,
        tuck=round(shape.tuck * 3) / 3,
    )


def _breath(seconds: float) -> int:
    height = 0.5 - 0.5 * cos(seconds * 2 * pi / _BREATH_SECONDS)
    return round(height * (BREATH_STEPS - 1))


def _turn(seconds: float, liveliness: float) -> tuple[float, float, float]:
    """The position of the head; see `Pose.turn`."""

    def wave(period: float, phase: float = 0.0) -> float:
        return sin(seconds * 2 * pi / period + phase)

    degrees = 0.45 * wave(7.3) + 0.25 * wave(4.1, 1)
    degrees += liveliness * (1.1 * wave(2.9) + 0.6 * wave(1.7, 2))
    return radians(degrees), 2.5 * wave(3.7) * liveliness, 1.6 * wave(2.3, 1) * liveliness


def _openness(seconds: float) -> float:
    """How far the eyes are open, 0 to 1: they blink every few seconds, sometimes twice."""
    turn, into = divmod(seconds, _BLINK_EVERY_SECONDS)
    starts = [0.9 + 1.7 * _pseudo_random(turn)]
    if _pseudo_random(turn + 0.5) < _SECOND_BLINK_CHANCE:
        starts.append(starts[0] + _SECOND_BLINK_AFTER_SECONDS)
    for start in starts:
        phase = (into - start) / _BLINK_SECONDS
        if 0 <= phase < 1:
            closed: float = sin(pi * phase) ** 0.6
            return round((1 - closed) * 6) / 6
    return 1.0


def _gaze(seconds: float) -> Point:
    """Where the eyes look: mostly at the viewer, sometimes a little aside; see `Pose.gaze`."""
    turn = seconds // _GAZE_SECONDS
    if _pseudo_random(turn + 0.25) > _GAZE_ASIDE_CHANCE:
        return (0.0, 0.0)
    return (
        round(5 * (_pseudo_random(turn + 0.1) - 0.5)),
        round(2 * (_pseudo_random(turn + 0.2) - 0.5)),
    )


def _pseudo_random(seed: float) -> float:
    """A number from 0 to 1 that looks random, and is the same for the same seed."""
    return abs(sin(seed * 12.9898 + 4.1414) * 43758.5453) % 1.0
