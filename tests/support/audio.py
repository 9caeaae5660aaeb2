"""Recordings made for tests."""

import io
import wave

import av


def wav(seconds: float, *, loudness: int = 8000) -> bytes:
    """A hum; silence when its loudness is 0."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        period = (
            loudness.to_bytes(2, "little") * 20
            + (-loudness).to_bytes(2, "little", signed=True) * 20
        )
        out.writeframes((period * int(200 * seconds + 1))[: 2 * int(8000 * seconds)])
    return buffer.getvalue()


def encoded(container: str, codec: str, *, rate: int = 48_000, seconds: float = 1) -> bytes:
    """A hum as a browser, a telephone or an editor would keep it."""
    file = io.BytesIO()
    with av.open(io.BytesIO(wav(seconds)), "r") as source, av.open(file, "w", container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 64_000
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()
