"""Tells whether sessions can be opened, as far as is known without opening one."""

from collections.abc import Callable
from typing import Final

from app.config.settings import Settings
from app.db.database import is_in_memory
from app.kaltura.url_safety import is_loopback_url
from app.problems import KalturaUnavailable, Problem, RecordUnavailable
from app.sessions.clock import Clock
from app.sessions.speech.voice.tts_fallback import SpeechMode, VoiceSelector

MEMORY_SECONDS: Final = 30
"""Seconds for which a failure counts. A broker that is "not ready" gets no visitors, so it must
become ready again by itself, or nobody would find out that Kaltura is back.
"""


class Readiness:
    """Remembers how the last opening of a session went, and checks Kaltura and the database."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        voice: VoiceSelector,
        is_kaltura_down: Callable[[], bool] = lambda: False,
        is_record_down: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._voice = voice
        self._clock = clock
        self._is_kaltura_down = is_kaltura_down
        self._is_record_down = is_record_down
        self._failure: tuple[float, Problem] | None = None

    def note(self, failure: Problem | None) -> None:
        """Remember the outcome of opening a session; None is success."""
        self._failure = None if failure is None else (self._clock(), failure)

    def wrong(self) -> list[str]:
        """The problems that keep sessions from being opened, as text; empty when none is known."""
        found: list[Problem] = [KalturaUnavailable()] if self._is_kaltura_down() else []
        if self._is_record_down():
            found.append(RecordUnavailable())
        if self._failure is not None and self._clock() < self._failure[0] + MEMORY_SECONDS:
            found.append(self._failure[1])
        return list(dict.fromkeys(f"{problem.name}: {problem.remedy}" for problem in found))

    @property
    def speech(self) -> SpeechMode:
        """The voice that says texts now."""
        return self._voice.speech

    def warnings(self) -> list[str]:
        """Warnings for the operator about the voice and the settings."""
        return [*self._voice.warnings(), *warnings_of(self._settings)]


def warnings_of(settings: Settings) -> list[str]:
    """Warnings that follow from the settings alone."""
    found = []
    tts_url = settings.tts_base_url or ""
    if settings.tts_api_key and not is_safe_for_secrets(tts_url):
        found.append("TTS_BASE_URL is plain http: TTS_API_KEY can be read on its way")
    if settings.speech_hook_url and "speak-audio" in settings.visitor_controls:
        found.append(
            "SPEECH_HOOK_URL sees texts and no recordings: take speak-audio out of "
            "VISITOR_CONTROLS, or visitors may say what they like"
        )
    if not settings.sealed:
        found.append(
            "AVATAR_TOKEN_MODE=direct: pages hold Kaltura's own JWT, which controls a session "
            "fully for about 24 hours, past every limit and record of this broker"
        )
    api_url = settings.kaltura_api_url
    makes_ks = settings.kaltura_partner_id is not None
    if makes_ks and not is_safe_for_secrets(api_url):
        found.append("KALTURA_API_URL is plain http: what makes a KS can be read on its way")
    if settings.upstream_is_local:
        found.append("AVATAR_BASE_URL is on this machine: this is the emulator, not Kaltura")
        return found
    if settings.avatar_voice_id is None:
        found.append("AVATAR_VOICE_ID is not set: Kaltura may refuse to say texts")
    if settings.avatar_base_url.startswith("http://"):
        found.append("AVATAR_BASE_URL is plain http: the KS can be read on its way")
    if not settings.secret_key:
        found.append("SECRET_KEY is not set: the one in use is kept beside the database")
    if is_in_memory(settings.database_url):
        found.append(
            "DATABASE_URL names no file that can be written: after a crash nobody ends the "
            "sessions that were open, and today's minutes are forgotten"
        )
    return found


def is_safe_for_secrets(url: str) -> bool:
    """Whether data sent to a URL can't be read on the way: https, or an address of this machine."""
    return not url.startswith("http://") or is_loopback_url(url)
