"""Recordings in any format come out as they went in, at 48 kHz."""

import io

import av
import numpy as np
import pytest

from app.emulator.speech.resampling import UnreadableRecordingError, decode, resample
from app.emulator.speech.visemes import SAMPLE_RATE


def encoded(container: str, codec: str, rate: int, layout: str, seconds: float = 1.0) -> bytes:
    """A recording of a 440 Hz tone."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        channels = len(av.AudioLayout(layout).channels)
        t = np.arange(int(rate * seconds)) / rate
        tone = (8_000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(tone, channels)[None, :], format="s16", layout=layout
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return file.getvalue()


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(spectrum.argmax() * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize(
    ("container", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 16_000, "mono"),
        ("wav", "pcm_s16le", 44_100, "stereo"),
        ("mp3", "libmp3lame", 44_100, "mono"),
        ("ogg", "libopus", 48_000, "stereo"),
        ("webm", "libopus", 48_000, "mono"),
    ],
)
def test_a_recording_keeps_its_length_and_pitch(
    container: str, codec: str, rate: int, layout: str
) -> None:
    samples = decode(encoded(container, codec, rate, layout))

    assert samples.dtype == np.int16
    assert len(samples) / SAMPLE_RATE == pytest.approx(1.0, abs=0.1)
    assert pitch(samples) == pytest.approx(440, abs=3)
    assert 6_000 < np.abs(samples).max() < 12_000


@pytest.mark.parametrize(
    "recording", [b"", b"\0" * 100, b"RIFF", b"<html></html>", b"\xff\xfb" * 9]
)
def test_what_is_no_recording_is_refused(recording: bytes) -> None:
    with pytest.raises(UnreadableRecordingError):
        decode(recording)


def test_a_recording_without_sound_is_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            output.mux(packet)

    with pytest.raises(UnreadableRecordingError):
        decode(file.getvalue())


def test_a_recording_that_is_too_long_is_refused() -> None:
    with pytest.raises(UnreadableRecordingError, match="too long"):
        decode(encoded("wav", "pcm_s16le", 16_000, "mono", seconds=2), longest_seconds=1.5)


def test_resampling_keeps_length_and_pitch() -> None:
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)).astype(np.int16)
    samples = resample(tone, 22_050)

    assert len(samples) == pytest.approx(SAMPLE_RATE, abs=100)
    assert pitch(samples) == pytest.approx(440, abs=3)


def test_nothing_stays_nothing() -> None:
    assert len(resample(np.zeros(0, np.int16), 22_050)) == 0


def test_not_a_sample_of_the_end_is_lost() -> None:
    samples = decode(encoded("wav", "pcm_s16le", 16_000, "mono"))

    assert len(samples) == pytest.approx(SAMPLE_RATE, abs=1)
