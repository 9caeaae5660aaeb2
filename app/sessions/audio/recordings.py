"""Prepares audio for Kaltura: recordings of visitors, and audio of a text-to-speech service."""

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
"""Largest upload of a recording, in bytes."""
MAX_AUDIO_SECONDS: Final = 600.0
"""Longest recording, in seconds."""
MAX_TRANSCODING: Final = 2
"""Recordings that are transcoded at the same time; each keeps a processor busy."""

MAX_WAITING: Final = 6
"""Recordings that may wait to be transcoded, which takes a hundredth of their length or less."""

MAX_PER_SESSION: Final = 2
"""Recordings of one session that may be transcoded or wait for it."""

DEADLINE_SECONDS: Final = 120.0
"""Seconds after which the transcoder of one recording is stopped."""
RETRY_SECONDS: Final = 5
"""Seconds after which a visitor may send a recording again that found no room."""

TRANSCODER: Final = Path(__file__).with_name("transcoder.py")
"""Path of the transcoder program."""
_SIGNATURES: Final = tuple(
    (demuxer, re.compile(signature, re.DOTALL))
    for demuxer, signature in (
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
"""FFmpeg's demuxers, each with the first bytes of the files that it reads; a file's name or media
type may be wrong.
"""

_MAX_OUTPUT_BYTES: Final = 12 * 1024 * 1024
"""Largest output of the transcoder, in bytes: the longest recording as MP3, and some more."""


class _TranscodeResult(BaseModel):
    """The transcoder's result for a recording, as `TranscodeResult` in `transcoder.py`."""

    seconds: Annotated[float, Field(ge=0, le=MAX_AUDIO_SECONDS)]
    silent: bool
    refused: Annotated[str, Field(max_length=200)] | None


log = structlog.get_logger(__name__)


class RecordingStopped(Exception):  # noqa: N818 - not an error
    """Raised when a Stop came before the recording was ready."""


class Transcoder:
    """Converts audio to MP3 and measures its length, `MAX_TRANSCODING` at a time.

    The format is decided by the bytes, and the length by decoding: Kaltura does not measure it, and
    a wrong length moves the avatar's mouth wrongly (reference 1.5). Kaltura is known to take MP3
    only, so all else becomes MP3. A decoder may crash or hang on input from strangers, so it runs
    in a process of its own (`transcoder.py`), bounded in time and memory.
    """

    def __init__(self, *, program: Path = TRANSCODER, seconds: float = DEADLINE_SECONDS) -> None:
        self._program = program
        self._seconds = seconds
        self._slots = asyncio.Semaphore(MAX_TRANSCODING)

    async def recording(self, audio: bytes, *, may_be_silent: bool = False) -> Recording:
        """Convert audio to a recording of known length that Kaltura takes.

        Raises `InvalidRequest` for audio that can't be used, and `QueueFull` when no process can be
        started.
        """
        demuxer = _demuxer(audio)
        async with self._slots:
            result, sound = await self._read(audio, demuxer)
        if result.refused is not None:
            raise _invalid(result.refused)
        if result.silent and not may_be_silent:
            raise _invalid("it is silent")
        return Recording(sound or audio, "audio/mpeg", result.seconds)

    async def _read(self, audio: bytes, demuxer: str) -> tuple[_TranscodeResult, bytes]:
        try:
            written = await subprocess_runner.run(
                self._program,
                demuxer,
                f"{MAX_AUDIO_SECONDS:g}",
                given=audio,
                seconds=self._seconds,
                most_bytes=_MAX_OUTPUT_BYTES,
            )
            head, _, sound = written.partition(b"\n")
            return _TranscodeResult.model_validate_json(head), sound
        except (subprocess_runner.SubprocessError, ValidationError) as error:
            reason = "nonsense" if isinstance(error, ValidationError) else str(error)
            log.warning("a recording could not be read", reason=reason)
            raise _invalid("it can't be read") from error
        except OSError as error:
            log.error("no process for a recording", reason=str(error))  # noqa: TRY400 - one line is all there is
            raise QueueFull(retry_after=RETRY_SECONDS) from error


class Recordings:
    """Transcodes visitors' recordings, bounded in number per session, per address and in all."""

    def __init__(
        self,
        *,
        address_share_percent: int = 100,
        transcoder: Path = TRANSCODER,
        seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._max_per_address = share_of(MAX_TRANSCODING + MAX_WAITING, address_share_percent)
        self._addresses: Counter[str] = Counter()
        self._transcoder = Transcoder(program=transcoder, seconds=seconds)
        self._count = 0
        """The number of recordings that are transcoded or wait for it, of all sessions."""

    async def prepare(
        self, own: set[asyncio.Task[Recording]], audio: bytes, address: str | None = None
    ) -> Recording:
        """Transcode a recording, and measure its length.

        `own` holds the session's recordings that are being transcoded; cancelling one stops it.
        `address` is the visitor's network address; None leaves the recording out of every address's
        share.

        Raises `InvalidRequest` for bytes that are no recording, `QueueFull` when too many
        recordings are being transcoded, and `RecordingStopped` when a Stop came meanwhile.
        """
        async with self._address_slot(address), self._task_slot(own, audio) as task:
            await asyncio.wait({task})
            if task.cancelled():
                raise RecordingStopped
            return task.result()

    @contextlib.asynccontextmanager
    async def _address_slot(self, address: str | None) -> AsyncIterator[None]:
        if address is None or self._max_per_address is None:
            yield
            return
        if self._addresses[address] >= self._max_per_address:
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
    async def _task_slot(
        self, own: set[asyncio.Task[Recording]], audio: bytes
    ) -> AsyncIterator[asyncio.Task[Recording]]:
        if len(own) >= MAX_PER_SESSION or self._count >= MAX_TRANSCODING + MAX_WAITING:
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
    """The name of FFmpeg's demuxer for a file; raises `InvalidRequest` when none is known."""
    head = audio[_tag_bytes(audio) :][:16]
    for demuxer, signature in _SIGNATURES:
        if signature.match(head):
            return demuxer
    if audio.startswith(b"ID3"):
        return "mp3"  # MP3 files nearly always have this tag; a second tag or padding may follow it
    raise InvalidRequest(
        "audio: not a recording of a kind that is known here. Common are MP3, WAV, M4A, WebM, Ogg, "
        "FLAC, AIFF, CAF, AAC, 3GP, AMR and WMA.",
        status=415,
    )


def _tag_bytes(audio: bytes) -> int:
    """The length in bytes of a file's ID3v2 tag, whose size field has 7 bits in a byte."""
    if audio[:3] != b"ID3":
        return 0
    length = 0
    for byte in audio[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(f"audio: {message}.", errors=[{"field": "audio", "message": message}])
