"""Another voice: what OpenAI's `/audio/speech` answers, spoken by the emulator's own engine."""

import asyncio
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import av
import numpy as np
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

from app.emulator.speech.visemes import SAMPLE_RATE
from app.emulator.speech.voice import SpeechEngine, Voice
from app.server.process import listen


class Wish(BaseModel):
    """What the broker asks for."""

    model: str
    voice: str
    input: str
    response_format: str


@dataclass
class VoiceService:
    """A running service, and what it was asked to say."""

    url: str
    said: list[str] = field(default_factory=list)


def mp3_of(samples: np.ndarray) -> bytes:
    """A sound of `SAMPLE_RATE` as MP3."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "s16p", "mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


@contextmanager
def voice_service() -> Iterator[VoiceService]:
    """The service, until the block ends."""
    listening = listen("127.0.0.1", 0)
    service = VoiceService(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
    engine = SpeechEngine()
    app = FastAPI()

    @app.post("/v1/audio/speech")
    async def speech(options: Wish) -> Response:
        service.said.append(options.input)
        speech = await engine.synthesise(options.input, Voice.of(None))
        sound = await asyncio.to_thread(mp3_of, speech.samples)
        return Response(sound, media_type="audio/mpeg")

    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield service
    finally:
        server.should_exit = True
        thread.join()
        engine.close()
