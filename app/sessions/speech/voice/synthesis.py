"""Synthesises speech with an OpenAI-compatible text-to-speech service."""

import json
from typing import Final

import httpx
from pydantic import SecretStr

from app.kaltura.client import Recording
from app.problems import Problem
from app.sessions.audio.recordings import Transcoder
from app.sessions.speech.voice.http_services import ServiceFailed, post_bounded

MAX_SPEECH_BYTES: Final = 10 * 1024 * 1024
"""Largest answer of the service, in bytes."""
SPEECH_SECONDS: Final = 30.0
"""Seconds that the service may take for one chunk of text."""


class Synthesis:
    """Synthesises texts by the service's HTTP API; `transport` carries the calls."""

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr | None,
        model: str | None,
        voice: str | None,
        transport: httpx.AsyncBaseTransport,
    ) -> None:
        self._url = f"{base_url}/audio/speech"
        self._api_key = api_key
        self._choice = {"model": model, "voice": voice}
        self._transport = transport
        self._transcoder = Transcoder()

    async def speech(self, text: str) -> Recording:
        """Synthesise a text as an MP3 of measured length; raises `ServiceFailed`."""
        options = {"input": text, "response_format": "mp3", **self._choice}
        content = json.dumps({name: value for name, value in options.items() if value is not None})
        headers = {"Content-Type": "application/json", "Accept": "audio/mpeg"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        audio = await post_bounded(
            self._transport,
            self._url,
            headers=headers,
            content=content.encode(),
            seconds=SPEECH_SECONDS,
            at_most=MAX_SPEECH_BYTES,
        )
        try:
            return await self._transcoder.recording(audio, may_be_silent=True)
        except Problem:
            raise ServiceFailed("an answer that is no sound that can be read") from None

    async def aclose(self) -> None:
        """Close the transport's connections."""
        await self._transport.aclose()
