"""What is taken for a recording."""

import io
import time
import wave

import pytest

from app.problems import InvalidRequest
from app.sessions.recordings import recording


def wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\0\0" * int(8000 * seconds))
    return buffer.getvalue()


def test_a_length_that_is_not_given_is_measured() -> None:
    assert recording(wav(1.5), None).duration_seconds == pytest.approx(1.5)


def test_a_length_that_is_given_is_believed() -> None:
    sound = recording(b"ID3anything", 2.5)
    assert (sound.duration_seconds, sound.media_type) == (2.5, "audio/mpeg")


@pytest.mark.parametrize("duration", [0, -1, 601, float("nan"), float("inf")])
def test_an_impossible_length_is_refused(duration: float) -> None:
    with pytest.raises(InvalidRequest, match="duration"):
        recording(wav(1), duration)


@pytest.mark.parametrize("audio", [b"ID3", b"ID3" + b"\0" * 50, b"RIFF0000WAVEfmt ", b"\xff\xfb"])
def test_a_length_that_cannot_be_measured_must_be_given(audio: bytes) -> None:
    with pytest.raises(InvalidRequest, match="duration"):
        recording(audio, None)


@pytest.mark.parametrize("garbage", [b"\xff\xfb" + b"\xff" * 8, b"ID3\0\0\0\0", b"RIFF0000WAVE\0"])
def test_to_look_for_a_length_takes_no_longer_in_a_longer_recording(garbage: bytes) -> None:
    def seconds(size: int) -> float:
        audio = garbage + garbage[-1:] * size
        started = time.perf_counter()
        with pytest.raises(InvalidRequest, match="duration"):
            recording(audio, None)
        return time.perf_counter() - started

    assert seconds(4_000_000) < 10 * seconds(200_000)


@pytest.mark.parametrize("audio", [b"", b"text", b"\x89PNG", b"OggS", b"RIFF0000AVI "])
def test_the_bytes_decide_and_not_the_name(audio: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        recording(audio, 1)
    assert refused.value.status == 415
