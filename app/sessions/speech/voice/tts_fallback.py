"""Selects the voice for texts: Kaltura's own, or a text-to-speech service when Kaltura refuses."""

from enum import StrEnum
from typing import Final, Literal

import structlog

from app.kaltura.client import Recording
from app.problems import SpeechUnavailable
from app.sessions.clock import Clock
from app.sessions.speech.voice.http_services import ServiceFailed
from app.sessions.speech.voice.synthesis import Synthesis

FIRST_PAUSE_SECONDS: Final = 10
LONGEST_PAUSE_SECONDS: Final = 600
"""Seconds until Kaltura's own voice is tried again after it refused: at first, and at most."""

SYNTHESIS_LENGTH: Final = 300
"""Characters that the text-to-speech service is given at once; playback begins only when all of
them are synthesised.
"""

_REFUSES: Final = "Kaltura's own voice answers 503"

log = structlog.get_logger(__name__)


class SpeechMode(StrEnum):
    """The voice that says texts."""

    TEXT = "text"
    AUDIO = "audio"
    UNAVAILABLE = "unavailable"


class VoiceSelector:
    """Selects the voice for all sessions, and retries Kaltura's own from time to time.

    `monotonic` gives seconds that never jump. `switches` counts the changes between the voices, and
    `said` the chunks that each voice has said.
    """

    def __init__(
        self,
        *,
        mode: Literal["text", "audio", "auto"],
        synthesis: Synthesis | None,
        chunk_length: int,
        monotonic: Clock,
    ) -> None:
        self._mode = mode
        self._synthesis = synthesis if mode != "text" else None
        self._chunk_length = chunk_length
        self._monotonic = monotonic
        self._pause = 0.0
        self._try_again_at = 0.0
        self._refused = False
        self.switches = 0
        self.said = dict.fromkeys((SpeechMode.TEXT, SpeechMode.AUDIO), 0)

    @property
    def speech(self) -> SpeechMode:
        """The voice that says texts now."""
        if self._mode == "audio" or (self._refused and self._synthesis is not None):
            return SpeechMode.AUDIO
        return SpeechMode.UNAVAILABLE if self._refused else SpeechMode.TEXT

    @property
    def wants_audio(self) -> bool:
        """Whether the next chunk is to be synthesised here; False when Kaltura is to be tried."""
        if self._mode == "audio":
            return True
        return self.speech is SpeechMode.AUDIO and self._monotonic() < self._try_again_at

    @property
    def has_fallback(self) -> bool:
        """Whether a text-to-speech service is there for texts that Kaltura refuses."""
        return self._synthesis is not None

    @property
    def max_chunk_length(self) -> int:
        """Characters that the current voice may be given in one call."""
        synthesis_length = min(SYNTHESIS_LENGTH, self._chunk_length)
        return synthesis_length if self.wants_audio else self._chunk_length

    def kaltura_spoke(self) -> None:
        """Note that Kaltura's own voice took a text."""
        if self._refused:
            self.switches += 1
            log.info("kaltura's own voice is back")
        self._refused, self._pause = False, 0.0
        self.said[SpeechMode.TEXT] += 1

    def kaltura_refused(self) -> None:
        """Note that Kaltura answered say-text with 503, so that nothing was said."""
        if not self._refused:
            self.switches += 1
            log.warning("kaltura's own voice refuses", another_voice=self.has_fallback)
        self._refused = True
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2 or FIRST_PAUSE_SECONDS)
        self._try_again_at = self._monotonic() + self._pause

    async def synthesise(self, text: str) -> Recording:
        """Synthesise a text with the text-to-speech service; raises `SpeechUnavailable`."""
        if self._synthesis is None:
            raise SpeechUnavailable
        try:
            recording = await self._synthesis.speech(text)
        except ServiceFailed as failure:
            log.warning("text-to-speech failed", error=str(failure))
            raise SpeechUnavailable(
                "Kaltura's text-to-speech is not available, and the other voice failed too. The "
                "session goes on."
                if self._mode == "auto"
                else "The text-to-speech service failed. The session goes on."
            ) from failure
        self.said[SpeechMode.AUDIO] += 1
        return recording

    def warnings(self) -> list[str]:
        """Warnings for the operator about Kaltura's own voice."""
        if self._mode == "audio" or not self._refused:
            return []
        if self.has_fallback:
            return [f"{_REFUSES}: texts are said by TTS_BASE_URL; Kaltura is tried now and then"]
        return [f"{_REFUSES}, and there is no other: set AVATAR_VOICE_ID, or TTS_BASE_URL"]
