"""The two tracks of a viewer: sound and picture of one stage, on one clock."""

import asyncio
from fractions import Fraction
from typing import Final, Protocol, TypeAlias

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from app.emulator.media.compression import H264Compressor
from app.emulator.media.stage import Stage
from app.emulator.speech.visemes import SAMPLE_RATE, Mouth

SAMPLES_PER_FRAME: Final = SAMPLE_RATE // 50
"""One packet of sound: 20 ms."""

PictureOrPacket: TypeAlias = "av.VideoFrame | av.Packet[av.VideoStream]"

_VIDEO_CLOCK: Final = 90_000


class Painter(Protocol):
    """Whoever draws the face."""

    @property
    def frame_rate(self) -> int:
        """Pictures a second."""

    def paint(self, seconds: float, shape: Mouth, *, speaking: bool) -> av.VideoFrame:
        """Return the face at a moment, with a mouth; called in a thread, once at a time."""


class MediaClock:
    """When each frame is due; started by whichever track is asked first."""

    def __init__(self) -> None:
        self._start: float | None = None

    @property
    def seconds(self) -> float:
        """How long the media has been running."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        return now - self._start

    async def reach(self, seconds: float) -> None:
        """Wait for that moment; return at once if it has passed."""
        await asyncio.sleep(max(0.0, seconds - self.seconds))


class VoiceTrack(MediaStreamTrack):
    """The sound; each frame sent moves the stage on by 20 ms."""

    kind = "audio"

    def __init__(self, stage: Stage, clock: MediaClock) -> None:
        super().__init__()
        self._stage = stage
        self._clock = clock
        self._sent = 0

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms when they are due."""
        await self._clock.reach(self._sent / SAMPLE_RATE)
        if self.readyState != "live":
            raise MediaStreamError
        samples = await self._stage.hear(SAMPLES_PER_FRAME)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._sent
        self._sent += SAMPLES_PER_FRAME
        return frame


class FaceTrack(MediaStreamTrack):
    """The picture; a frame that comes late takes the moment it comes at, so that none pile up."""

    kind = "video"

    def __init__(self, stage: Stage, clock: MediaClock, painter: Painter) -> None:
        super().__init__()
        self._stage = stage
        self._clock = clock
        self._painter = painter
        self._next = 0
        self._compressor: H264Compressor | None = None
        self.codec = ""
        """What the viewer agreed to; pictures for `H264` come compressed from here."""

    async def recv(self) -> PictureOrPacket:
        """Return the next picture when it is due."""
        rate = self._painter.frame_rate
        await self._clock.reach(self._next / rate)
        if self.readyState != "live":
            raise MediaStreamError
        number = max(self._next, int(self._clock.seconds * rate))
        self._next = number + 1
        return await asyncio.to_thread(
            self._picture, number, self._stage.mouth, speaking=self._stage.speaking
        )

    def _picture(self, number: int, shape: Mouth, *, speaking: bool) -> PictureOrPacket:
        rate = self._painter.frame_rate
        frame = self._painter.paint(number / rate, shape, speaking=speaking)
        frame.time_base = Fraction(1, _VIDEO_CLOCK)
        frame.pts = number * (_VIDEO_CLOCK // rate)
        if self.codec != "H264":
            return frame
        if self._compressor is None:
            self._compressor = H264Compressor(frame.width, frame.height, rate)
        return self._compressor.compress(frame)
