"""A viewer's audio and video tracks, which share a clock and a speech player."""

import asyncio
from fractions import Fraction
from typing import Final, Protocol, TypeAlias

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from app.emulator.media.h264 import H264Encoder
from app.emulator.media.speech_player import SpeechPlayer
from app.emulator.speech.visemes import SAMPLE_RATE, MouthShape

SAMPLES_PER_FRAME: Final = SAMPLE_RATE // 50
"""The samples of one packet of audio: 20 ms."""

PictureOrPacket: TypeAlias = "av.VideoFrame | av.Packet[av.VideoStream]"

_VIDEO_CLOCK: Final = 90_000


class FaceRenderer(Protocol):
    """Draws the avatar's face."""

    @property
    def frame_rate(self) -> int:
        """The pictures a second."""

    def render(self, seconds: float, shape: MouthShape, *, speaking: bool) -> av.VideoFrame:
        """Draw the face at a time, with a shape of the mouth; called in one thread at a time."""


class MediaClock:
    """The clock of both tracks; it starts when the first of them reads it."""

    def __init__(self) -> None:
        self._start: float | None = None

    @property
    def seconds(self) -> float:
        """The time since the clock has started, in seconds."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        return now - self._start

    async def wait_until(self, seconds: float) -> None:
        """Wait until the clock shows `seconds`; returns at once if it shows more."""
        await asyncio.sleep(max(0.0, seconds - self.seconds))


class VoiceTrack(MediaStreamTrack):
    """The audio track; each frame moves the player on by 20 ms."""

    kind = "audio"

    def __init__(self, player: SpeechPlayer, clock: MediaClock) -> None:
        super().__init__()
        self._player = player
        self._clock = clock
        self._sent = 0

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms of audio when they are due."""
        await self._clock.wait_until(self._sent / SAMPLE_RATE)
        if self.readyState != "live":
            raise MediaStreamError
        samples = await self._player.read(SAMPLES_PER_FRAME)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._sent
        self._sent += SAMPLES_PER_FRAME
        return frame


class FaceTrack(MediaStreamTrack):
    """The video track; a late frame shows the present moment, and the missed ones are skipped."""

    kind = "video"

    def __init__(self, player: SpeechPlayer, clock: MediaClock, renderer: FaceRenderer) -> None:
        super().__init__()
        self._player = player
        self._clock = clock
        self._renderer = renderer
        self._next = 0
        self._encoder: H264Encoder | None = None
        self.codec = ""
        """The codec that was negotiated; for `H264` this track encodes the pictures itself."""

    async def recv(self) -> PictureOrPacket:
        """Return the next picture when it is due, encoded if the codec is `H264`."""
        rate = self._renderer.frame_rate
        await self._clock.wait_until(self._next / rate)
        if self.readyState != "live":
            raise MediaStreamError
        number = max(self._next, int(self._clock.seconds * rate))
        self._next = number + 1
        return await asyncio.to_thread(
            self._picture, number, self._player.mouth, speaking=self._player.speaking
        )

    def _picture(self, number: int, shape: MouthShape, *, speaking: bool) -> PictureOrPacket:
        rate = self._renderer.frame_rate
        frame = self._renderer.render(number / rate, shape, speaking=speaking)
        frame.time_base = Fraction(1, _VIDEO_CLOCK)
        frame.pts = number * (_VIDEO_CLOCK // rate)
        if self.codec != "H264":
            return frame
        if self._encoder is None:
            self._encoder = H264Encoder(frame.width, frame.height, rate)
        return self._encoder.encode(frame)
