"""Sound that is to be said: what visitors record, and what a speech service makes."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import BaseModel, Field, ValidationError

from app.kaltura.client import Recording
from app.problems import InvalidRequest, QueueFull
from app.sessions.audio import subprocess_runner
from app.sessions.capacity.address_share import share_of

MAX_AUDIO_BYTES: Final = 10 * 1024 * 1024
MAX_AUDIO_SECONDS: Final = 600.0
AT_ONCE: Final = 2
"""Recordings in work at the same time: each keeps a processor busy."""

WAITING: Final = 6
"""How many more may wait for that; it takes a hundredth of a recording's length, or less."""

OF_ONE_SESSION: Final = 2
"""In work or waiting."""

DEADLINE_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 5

TRANSCODER: Final = Path(__file__).with_name("transcoder.py")
_BEGINNINGS: Final = tuple(
    (demuxer, re.compile(beginning, re.DOTALL))
    for demuxer, beginning in (
        ("wav", rb"(RIFF|RF64).{4}WAVE"),
        ("ogg", rb"OggS"),
        ("matroska", rb"\x1a\x45\xdf\xa3"),
        ("mov", rb".{4}ftyp"),
        ("caf", rb"caff"),
        ("aiff", rb"FORM.{4}AIF[FC]"),
        ("flac", rb"fLaC"),
        ("amr", rb"#!AMR"),
        ("asf", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
        # Frames of MPEG audio: eleven bits that are set, then its version and layer.
        ("mp3", rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]"),
        ("aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    )
)
"""FFmpeg's demuxers, and how what they read begins: a name or a media type may be wrong."""

_MOST_BYTES: Final = 12 * 1024 * 1024
"""What the longest recording is as MP3, and some more."""


class _Finding(BaseModel):
    """What the transcoder says of a recording; see there."""

    seconds: Annotated[float, Field(ge=0, le=MAX_AUDIO_SECONDS)]
    silent: bool
    refused: Annotated[str, Field(max_length=200)] | None


log = structlog.get_logger(__name__)


class RecordingStopped(Exception):  # noqa: N818 - it is what was asked for, not an error
    """Stop came before the recording was ready to be said."""


class Transcoder:
    """Makes sound fit to be said: `AT_ONCE` at a time, bounded in time and memory.

    What it is is decided by its bytes, and how long it is by decoding it: Kaltura does not measure,
    and a wrong length moves the mouth wrongly (reference 1.5). Kaltura is known to take MP3 and
    nothing else, so anything else becomes MP3. A decoder fed by strangers may crash or never end,
    so it works in a process of its own (`transcoder.py`).
    """

    def __init__(self, *, program: Path = TRANSCODER, seconds: float = DEADLINE_SECONDS) -> None:
        self._program = program
        self._seconds = seconds
        self._places = asyncio.Semaphore(AT_ONCE)

    async def recording(self, audio: bytes, *, may_be_silent: bool = False) -> Recording:
        """The sound as it can be said, and its length.

        Raises `InvalidRequest` for what can't be, and `QueueFull` when there is no process for it.
        """
        demuxer = _demuxer(audio)
        async with self._places:
            finding, sound = await self._read(audio, demuxer)
        if finding.refused is not None:
            raise _invalid(finding.refused)
        if finding.silent and not may_be_silent:
            raise _invalid("it is silent")
        return Recording(sound or audio, "audio/mpeg", finding.seconds)

    async def _read(self, audio: bytes, demuxer: str) -> tuple[_Finding, bytes]:
        try:
            written = await subprocess_runner.run(
                self._program,
                demuxer,
                f"{MAX_AUDIO_SECONDS:g}",
                given=audio,
                seconds=self._seconds,
                most_bytes=_MOST_BYTES,
            )
            head, _, sound = written.partition(b"\n")
            return _Finding.model_validate_json(head), sound
        except (subprocess_runner.SubprocessError, ValidationError) as error:
            reason = "nonsense" if isinstance(error, ValidationError) else str(error)
            log.warning("a recording could not be read", reason=reason)
            raise _invalid("it can't be read") from error
        except OSError as error:
            log.error("no process for a recording", reason=str(error))  # noqa: TRY400 - one line is all there is
            raise QueueFull(retry_after=RETRY_SECONDS) from error


class Recordings:
    """Makes recordings that visitors send fit to be said: bounded in number, for each and all."""

    def __init__(
        self,
        *,
        address_share_percent: int = 100,
        transcoder: Path = TRANSCODER,
        seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._of_one_address = share_of(AT_ONCE + WAITING, address_share_percent)
        self._addresses: Counter[str] = Counter()
        self._transcoder = Transcoder(program=transcoder, seconds=seconds)
        self._count = 0
        """Recordings of all sessions that are in work or wait for it."""

    async def fit(
        self, own: set[asyncio.Task[Recording]], audio: bytes, address: str | None = None
    ) -> Recording:
        """Make a recording fit to be said, and measure its length.

        `own` are those of its session that are in work: cancelling one stops it. `address` is
        where it comes from; None leaves it out of every address's share.

        Raises `InvalidRequest` for what is no recording, `QueueFull` when too many are in work,
        and `RecordingStopped` when the session was stopped meanwhile.
        """
        async with self._work_for(address), self._work(own, audio) as task:
            await asyncio.wait({task})
            if task.cancelled():
                raise RecordingStopped
            return task.result()

    @contextlib.asynccontextmanager
    async def _work_for(self, address: str | None) -> AsyncIterator[None]:
        if address is None or self._of_one_address is None:
            yield
            return
        if self._addresses[address] >= self._of_one_address:
            raise QueueFull(
                "Too many recordings from your network address are being prepared just now.",
                retry_after=RETRY_SECONDS,
            )
        self._addresses[address] += 1
        try:
            yield
        finally:
            self._addresses -= Counter({address: 1})

    @contextlib.asynccontextmanager
    async def _work(
        self, own: set[asyncio.Task[Recording]], audio: bytes
    ) -> AsyncIterator[asyncio.Task[Recording]]:
        if len(own) >= OF_ONE_SESSION or self._count >= AT_ONCE + WAITING:
            raise QueueFull(
                "Too many recordings are being prepared just now.", retry_after=RETRY_SECONDS
            )
        task = asyncio.create_task(self._transcoder.recording(audio))
        own.add(task)
        self._count += 1
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})
            own.remove(task)
            self._count -= 1


def _demuxer(audio: bytes) -> str:
    """What reads a file that begins like this; raises `InvalidRequest` when nothing does."""
    head = audio[_tag_bytes(audio) :][:16]
    for demuxer, beginning in _BEGINNINGS:
        if beginning.match(head):
            return demuxer
    if audio.startswith(b"ID3"):
        return "mp3"  # nearly always, and there may be another tag, or nothing, in between
    raise InvalidRequest(
        "audio: not a recording of a kind that is known here. Common are MP3, WAV, M4A, WebM, Ogg, "
        "FLAC, AIFF, CAF, AAC, 3GP, AMR and WMA.",
        status=415,
    )


def _tag_bytes(audio: bytes) -> int:
    """How long the ID3v2 tag is that a file begins with; its length has 7 bits in a byte."""
    if audio[:3] != b"ID3":
        return 0
    length = 0
    for byte in audio[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(f"audio: {message}.", errors=[{"field": "audio", "message": message}])
