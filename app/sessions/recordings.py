"""Recordings that visitors send to be said."""

import io
from typing import Final

from tinytag import TinyTag, TinyTagException

from app.kaltura.client import Recording
from app.problems import InvalidRequest

MAX_AUDIO_BYTES: Final = 10 * 1024 * 1024
MAX_AUDIO_SECONDS: Final = 600.0
MAX_READS: Final = 20_000
"""Pieces that are read to measure one; what has no frames is otherwise searched byte by byte."""

_MP3_HEADS: Final = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


def recording(audio: bytes, duration_seconds: float | None) -> Recording:
    """A recording with its length, measured when not given; raises `InvalidRequest`.

    Kaltura does not measure it, and a wrong length moves the mouth wrongly (reference 1.5).
    """
    media_type = _media_type(audio)
    if media_type is None:
        raise InvalidRequest("audio: not an MP3 or WAV recording.", status=415)
    seconds = _measured(audio) if duration_seconds is None else duration_seconds
    if seconds is None or not 0 < seconds <= MAX_AUDIO_SECONDS:
        raise InvalidRequest(
            f"duration: seconds, more than 0 and at most {MAX_AUDIO_SECONDS:g}; "
            "it could not be measured either."
            if seconds is None
            else f"duration: seconds, more than 0 and at most {MAX_AUDIO_SECONDS:g}."
        )
    return Recording(audio, media_type, seconds)


def _media_type(audio: bytes) -> str | None:
    """Told by the first bytes. Only MP3 is known to work at Kaltura (reference 1.5)."""
    if audio.startswith(_MP3_HEADS):
        return "audio/mpeg"
    return "audio/wav" if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE" else None


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
