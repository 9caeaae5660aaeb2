"""Whose voice says texts: Kaltura's own, or another when Kaltura has none."""

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
"""How long Kaltura's own voice is left alone after it refused, at first and in the end."""

MADE_LENGTH: Final = 300
"""Characters that the other voice is given at once: nothing is heard before all of it is made."""

_SILENT: Final = "Kaltura's own voice answers 503"

log = structlog.get_logger(__name__)


class SpeechMode(StrEnum):
    """How texts are said."""

    TEXT = "text"
    AUDIO = "audio"
    UNAVAILABLE = "unavailable"


class VoiceSelector:
    """Remembers for all sessions whether Kaltura's own voice speaks, and tries it now and then.

    `monotonic` gives seconds that never jump. `switches` counts how often it changed, and `said`
    how many pieces each voice has said.
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
        """How texts are said just now."""
        if self._mode == "audio" or (self._refused and self._synthesis is not None):
            return SpeechMode.AUDIO
        return SpeechMode.UNAVAILABLE if self._refused else SpeechMode.TEXT

    @property
    def wants_audio(self) -> bool:
        """Whether the next piece is to be made here; False also when Kaltura is tried again."""
        if self._mode == "audio":
            return True
        return self.speech is SpeechMode.AUDIO and self._monotonic() < self._try_again_at

    @property
    def has_fallback(self) -> bool:
        """Whether there is another voice for what Kaltura refuses."""
        return self._synthesis is not None

    @property
    def max_chunk_length(self) -> int:
        """Characters that may be said in one call."""
        short = min(MADE_LENGTH, self._chunk_length)
        return short if self.wants_audio else self._chunk_length

    def kaltura_spoke(self) -> None:
        """Kaltura's own voice took a text."""
        if self._refused:
            self.switches += 1
            log.info("kaltura's own voice is back")
        self._refused, self._pause = False, 0.0
        self.said[SpeechMode.TEXT] += 1

    def kaltura_refused(self) -> None:
        """Kaltura's own voice is out: 503 to say-text, so nothing was said."""
        if not self._refused:
            self.switches += 1
            log.warning("kaltura's own voice refuses", another_voice=self.has_fallback)
        self._refused = True
        self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2 or FIRST_PAUSE_SECONDS)
        self._try_again_at = self._monotonic() + self._pause

    async def make(self, text: str) -> Recording:
        """A text in the other voice; raises `SpeechUnavailable`."""
        if self._synthesis is None:
            raise SpeechUnavailable
        try:
            made = await self._synthesis.speech(text)
        except ServiceFailed as failure:
            log.warning("text-to-speech failed", error=str(failure))
            raise SpeechUnavailable(
                "Kaltura's text-to-speech is not available, and the other voice failed too. The "
                "session goes on."
                if self._mode == "auto"
                else "The text-to-speech service failed. The session goes on."
            ) from failure
        self.said[SpeechMode.AUDIO] += 1
        return made

    def warnings(self) -> list[str]:
        """What the operator should know."""
        if self._mode == "audio" or not self._refused:
            return []
        if self.has_fallback:
            return [f"{_SILENT}: texts are said by TTS_BASE_URL; Kaltura is tried now and then"]
        return [f"{_SILENT}, and there is no other: set AVATAR_VOICE_ID, or TTS_BASE_URL"]
