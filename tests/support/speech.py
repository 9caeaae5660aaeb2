"""What was said, as Kaltura heard it, and what became of it."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import av
import httpx
import numpy as np

from app.sessions.runtime import SessionRuntime
from tests.support.doubles import (
    FakeKaltura,
    FakeServices,
    settled,
)
from tests.support.sessions import Domain, grant

LONG = "This sentence is here so that there is something to be said for a good while. " * 6
"""About 30 s."""


def said(kaltura: FakeKaltura) -> list[str]:
    """The texts that reached Kaltura."""
    return [call.body["text"] for call in kaltura.calls if call.operation == "say-text"]


def fates(house: Domain, session: SessionRuntime) -> list[str]:
    return [receipt.state.value for receipt in house.speech.utterances(grant(session))]


TTS: dict[str, Any] = {
    "tts_base_url": "https://tts.test/v1",
    "tts_api_key": "canary-tts-key",
    "tts_model": "tts-1",
    "tts_voice": "alloy",
}


def mp3(seconds: float, *, header: str = "0") -> bytes:
    """A tone, without the header that would tell its length."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": header}) as container:
        stream = container.add_stream("mp3", rate=44_100, layout="mono")
        tone = np.sin(np.arange(int(44_100 * seconds)) / 20) * 8000
        frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[np.newaxis], "s16p", "mono")
        frame.sample_rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def talking(seconds: float = 2.0) -> FakeServices:
    sound = mp3(seconds)
    return FakeServices(answer=lambda _: httpx.Response(200, content=sound))


class Pen:
    """A writer in the test's hands."""

    def __init__(self) -> None:
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self.read = 0

    async def write(self, *texts: str) -> None:
        for text in texts:
            self._texts.put_nowait(text)
        await settled()

    def break_off(self) -> None:
        self._texts.put_nowait(None)

    async def __call__(self) -> AsyncIterator[str]:
        while (text := await self._texts.get()) is not None:
            self.read += 1
            yield text


def finals(kaltura: FakeKaltura) -> list[bool]:
    return [call.body["isFinal"] for call in kaltura.calls if call.operation == "say-text"]
