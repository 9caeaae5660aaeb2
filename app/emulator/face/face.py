"""The face in motion: an actor paints one picture for each moment.

The mouth moves only with the voice: between utterances the head turns about the mouth by less than
a degree, so that the mouth itself stays where it is while the rest lives.
"""

from math import cos, exp, pi, radians, sin
from typing import Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from app.emulator.face.canvas import Point
from app.emulator.face.gallery import BREATH_STEPS, JAW_STEPS, Portrait, Pose
from app.emulator.speech.visemes import REST, Mouth

_BREATH_SECONDS: Final = 4.6
_BLINK_EVERY_SECONDS: Final = 3.4
_BLINK_SECONDS: Final = 0.24
_SECOND_BLINK_AFTER_SECONDS: Final = 0.34
_SECOND_BLINK_CHANCE: Final = 0.25
_GAZE_SECONDS: Final = 1.9
_GAZE_ASIDE_CHANCE: Final = 0.4
_EASE_SECONDS: Final = 0.35
"""How long the head takes to come to life with the voice, or to rest after it."""
_STILL: Final = 0.01
"""Less liveliness than this is none."""
_IDLE_RATE: Final = 25 / 3
"""Pictures a second while nothing is said; the blinking keeps to the full rate."""


class Actor:
    """Plays one portrait for one viewer; not for two threads at once."""

    frame_rate: Final = 25

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._liveliness = 0.0
        self._emphasis = 0.0
        self._last = 0.0
        self._drawn: tuple[Pose, av.VideoFrame] | None = None
        # Kept, because each new one prepares its tables anew.
        self._reformatter = VideoReformatter()

    def paint(self, seconds: float, shape: Mouth, *, speaking: bool) -> av.VideoFrame:
        """Return the picture of a moment; the same frame again when nothing has moved."""
        self._follow(seconds, shape, speaking=speaking)
        pose = self._pose(seconds, shape)
        if self._drawn is None or self._drawn[0] != pose:
            pixels = np.asarray(self._portrait.picture(pose))
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            self._drawn = pose, self._reformatter.reformat(picture, format="yuv420p")
        return self._drawn[1]

    def _follow(self, seconds: float, shape: Mouth, *, speaking: bool) -> None:
        """Let the head and the brows follow the voice, with some delay."""
        kept = exp(-max(0.0, seconds - self._last) / _EASE_SECONDS)
        self._last = seconds
        self._liveliness = self._liveliness * kept + float(speaking) * (1 - kept)
        self._emphasis = self._emphasis * kept + shape.opening * (1 - kept)

    def _pose(self, seconds: float, shape: Mouth) -> Pose:
        liveliness = self._liveliness if self._liveliness > _STILL else 0.0
        # At rest all is so slow that a third of the pictures look the same.
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
    """Shows one portrait that never moves; not for two threads at once."""

    frame_rate: Final = 5

    def __init__(self, portrait: Portrait) -> None:
        self._picture = Actor(portrait).paint(0, REST, speaking=False)

    def paint(self, seconds: float, shape: Mouth, *, speaking: bool) -> av.VideoFrame:  # noqa: ARG002 - it follows nothing
        """Return the same picture at any moment."""
        return self._picture


def _rounded(shape: Mouth) -> Mouth:
    """Return the shape in steps too small to see, so that few pictures do for all of them."""
    return Mouth(
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
    """Return how the head is held; see `Pose.turn`."""

    def wave(period: float, phase: float = 0.0) -> float:
        return sin(seconds * 2 * pi / period + phase)

    degrees = 0.45 * wave(7.3) + 0.25 * wave(4.1, 1)
    degrees += liveliness * (1.1 * wave(2.9) + 0.6 * wave(1.7, 2))
    return radians(degrees), 2.5 * wave(3.7) * liveliness, 1.6 * wave(2.3, 1) * liveliness


def _openness(seconds: float) -> float:
    """Return how far the eyes are open: they blink every few seconds, now and then twice."""
    turn, into = divmod(seconds, _BLINK_EVERY_SECONDS)
    starts = [0.9 + 1.7 * _chance(turn)]
    if _chance(turn + 0.5) < _SECOND_BLINK_CHANCE:
        starts.append(starts[0] + _SECOND_BLINK_AFTER_SECONDS)
    for start in starts:
        phase = (into - start) / _BLINK_SECONDS
        if 0 <= phase < 1:
            closed: float = sin(pi * phase) ** 0.6
            return round((1 - closed) * 6) / 6
    return 1.0


def _gaze(seconds: float) -> Point:
    """Return where the eyes look: mostly at the viewer, at times a little aside."""
    turn = seconds // _GAZE_SECONDS
    if _chance(turn + 0.25) > _GAZE_ASIDE_CHANCE:
        return (0.0, 0.0)
    return (round(5 * (_chance(turn + 0.1) - 0.5)), round(2 * (_chance(turn + 0.2) - 0.5)))


def _chance(seed: float) -> float:
    """Return a number from 0 to 1 that looks random and is the same for the same seed."""
    return abs(sin(seed * 12.9898 + 4.1414) * 43758.5453) % 1.0
