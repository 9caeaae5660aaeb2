"""Recordings made for tests."""

import io
import wave


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
