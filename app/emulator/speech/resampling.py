"""Decoding and resampling of recordings to the format of the audio track: mono, 16 bit, 48 kHz."""

import io
from typing import Final

import av
import numpy as np

from app.emulator.speech.visemes import SAMPLE_RATE, Samples

LONGEST_RECORDING_SECONDS: Final = 660


class UnreadableRecordingError(ValueError):
    """Raised for bytes that are not a recording, or for one too long; the message says which."""


def resample(sound: Samples, rate: int) -> Samples:
    """Resample mono `sound` from `rate` Hz to `SAMPLE_RATE`."""
    if not len(sound):
        return sound
    frame = av.AudioFrame.from_ndarray(sound[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = _resampler()
    return _join([*resampler.resample(frame), *resampler.resample(None)])


def decode(recording: bytes, longest_seconds: float = LONGEST_RECORDING_SECONDS) -> Samples:
    """Decode a recording in any format that FFmpeg reads.

    Raises `UnreadableRecordingError` for one without sound, or longer than `longest_seconds`.
    """
    frames: list[av.AudioFrame] = []
    length = 0
    try:
        with av.open(io.BytesIO(recording), "r", metadata_errors="ignore") as container:
            resampler = _resampler()
            for frame in container.decode(audio=0):
                frame.pts = None
                frames += (parts := resampler.resample(frame))
                length += sum(part.samples for part in parts)
                if length > longest_seconds * SAMPLE_RATE:
                    raise UnreadableRecordingError("Audio is too long")
            frames += resampler.resample(None)
    except (av.FFmpegError, IndexError, ValueError, EOFError) as error:
        if isinstance(error, UnreadableRecordingError):
            raise
        raise UnreadableRecordingError("Audio could not be read") from error
    if not frames:
        raise UnreadableRecordingError("Audio holds no sound")
    return _join(frames)


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _join(frames: list[av.AudioFrame]) -> Samples:
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
