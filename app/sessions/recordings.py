"""Recordings that visitors send to be said."""

import asyncio
import contextlib
import io
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import structlog
from pydantic import BaseModel, Field, ValidationError
from tinytag import TinyTag, TinyTagException

from app.kaltura.client import Recording
from app.problems import InvalidRequest, QueueFull
from app.sessions import sandbox
from app.sessions.address_share import share_of

MAX_AUDIO_BYTES: Final = 10 * 1024 * 1024
MAX_AUDIO_SECONDS: Final = 600.0
MAX_READS: Final = 20_000
"""Pieces that are read to measure made speech; what has no frames would be searched bytewise."""

AT_ONCE: Final = 2
"""Recordings in work at the same time, of all sessions: each keeps a processor busy."""

WAITING: Final = 6
"""How many more may wait for that; it takes a hundredth of a recording's length, or less."""

OF_ONE_SESSION: Final = 2
"""In work or waiting."""

DEADLINE_SECONDS: Final = 120.0
RETRY_SECONDS: Final = 5

TRANSCODER: Final = Path(__file__).with_name("transcoder.py")
_MOST_BYTES: Final = 12 * 1024 * 1024
"""What the longest recording is as MP3, and some more."""


class _Finding(BaseModel):
    """What the transcoder says of a recording; see there."""

    seconds: Annotated[float, Field(ge=0, le=MAX_AUDIO_SECONDS)]
    refused: Annotated[str, Field(max_length=200)] | None


log = structlog.get_logger(__name__)


class RecordingStopped(Exception):  # noqa: N818 - it is what was asked for, not an error
    """Stop came before the recording was ready to be said."""


class Recordings:
    """Makes recordings fit to be said: bounded in number, size, length, time and memory.

    What they are is decided by their bytes, and how long they are by decoding them: Kaltura does
    not measure, and a wrong length moves the mouth wrongly (reference 1.5). It is known to take
    MP3 and nothing else, so anything else becomes MP3. A decoder fed by strangers may crash or
    never end, so it works in a process of its own (`transcoder.py`).
    """

    def __init__(
        self,
        *,
        address_share_percent: int = 100,
        transcoder: Path = TRANSCODER,
        seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._of_one_address = share_of(AT_ONCE + WAITING, address_share_percent)
        self._addresses: Counter[str] = Counter()
        self._transcoder = transcoder
        self._seconds = seconds
        self._places = asyncio.Semaphore(AT_ONCE)
        self._in_work: dict[str, set[asyncio.Task[Recording]]] = defaultdict(set)

    async def fit(
        self,
        session_id: str,
        audio: bytes,
        duration_seconds: float | None,
        address: str | None = None,
    ) -> Recording:
        """The recording as it can be said; its length is measured, whatever is said to be it.

        `address` is where it comes from; None leaves it out of every address's share.

        Raises `InvalidRequest` for what is no recording, `QueueFull` when too many are in work,
        and `RecordingStopped` when the session was stopped meanwhile.
        """
        _require_possible(duration_seconds)
        demuxer = _demuxer(audio)
        async with (
            self._work_for(address),
            self._work(session_id, audio, demuxer) as task,
        ):
            await asyncio.wait({task})
            if task.cancelled():
                raise RecordingStopped
            return task.result()

    def stop(self, session_id: str) -> None:
        """What is in work for a session shall not be said."""
        for task in self._in_work.get(session_id, ()):
            task.cancel()

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
        self, session_id: str, audio: bytes, demuxer: str
    ) -> AsyncIterator[asyncio.Task[Recording]]:
        own = self._in_work.get(session_id, ())
        everyone = sum(len(tasks) for tasks in self._in_work.values())
        if len(own) >= OF_ONE_SESSION or everyone >= AT_ONCE + WAITING:
            raise QueueFull(
                "Too many recordings are being prepared just now.", retry_after=RETRY_SECONDS
            )
        task = asyncio.create_task(self._transcoded(audio, demuxer))
        self._in_work[session_id].add(task)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait({task})
            self._in_work[session_id].remove(task)
            if not self._in_work[session_id]:
                del self._in_work[session_id]

    async def _transcoded(self, audio: bytes, demuxer: str) -> Recording:
        async with self._places:
            try:
                written = await sandbox.run(
                    self._transcoder,
                    demuxer,
                    f"{MAX_AUDIO_SECONDS:g}",
                    given=audio,
                    seconds=self._seconds,
                    most_bytes=_MOST_BYTES,
                )
                head, _, sound = written.partition(b"\n")
                finding = _Finding.model_validate_json(head)
            except (sandbox.SandboxError, ValidationError) as error:
                reason = "nonsense" if isinstance(error, ValidationError) else str(error)
                log.warning("a recording could not be read", reason=reason)
                raise _invalid("it can't be read") from error
            except OSError as error:
                log.error("no process for a recording", reason=str(error))  # noqa: TRY400 - one line is all there is
                raise QueueFull(retry_after=RETRY_SECONDS) from error
        if finding.refused is not None:
            raise _invalid(finding.refused)
        return Recording(sound or audio, "audio/mpeg", finding.seconds)


def recording(audio: bytes, duration_seconds: float | None) -> Recording:
    """Sound that a service made for us; quickly measured, by its heads, when not given a length.

    Raises `InvalidRequest` for what is no MP3 or WAV, or can't be measured.
    """
    media_type = {"mp3": "audio/mpeg", "wav": "audio/wav"}.get(_demuxer(audio))
    seconds = _measured(audio) if duration_seconds is None else duration_seconds
    if media_type is None or seconds is None or not 0 < seconds <= MAX_AUDIO_SECONDS:
        raise _invalid("it can't be read")
    return Recording(audio, media_type, seconds)


def _measured(audio: bytes) -> float | None:
    try:
        return TinyTag.get(file_obj=_Impatient(audio), tags=False).duration
    except (TinyTagException, ValueError, KeyError, IndexError, OverflowError):
        return None


class _Impatient(io.BytesIO):
    """Bytes that are read in `MAX_READS` pieces, and no more."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece; raises `ValueError` when it is one too many."""
        self._reads += 1
        if self._reads > MAX_READS:
            raise ValueError
        return super().read(size)


def _require_possible(duration_seconds: float | None) -> None:
    if duration_seconds is not None and not 0 < duration_seconds <= MAX_AUDIO_SECONDS:
        raise InvalidRequest(
            f"duration: seconds, more than 0 and at most {MAX_AUDIO_SECONDS:g}; or leave it out, "
            "it is measured."
        )


def _demuxer(audio: bytes) -> str:
    """What reads a file that begins like this; raises `InvalidRequest` when nothing does."""
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return "wav"
    if audio[:4] == b"OggS":
        return "ogg"
    if audio[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if audio[4:8] == b"ftyp":
        return "mov"
    if audio[:3] == b"ID3" or _is_mp3_frame(audio[:2]):
        return "mp3"
    raise InvalidRequest("audio: not an MP3, WAV, Ogg, WebM or MP4 recording.", status=415)


def _is_mp3_frame(head: bytes) -> bool:
    """Whether it begins as a frame of MPEG audio does, of layer III."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2  # noqa: PLR2004 - the two bytes


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(f"audio: {message}.", errors=[{"field": "audio", "message": message}])
