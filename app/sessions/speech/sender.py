"""How a piece is said: in Kaltura's own voice, or in another."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import Operation, SayTextRequest, TurnId
from app.problems import SpeechUnavailable
from app.sessions.auditing import AuditedCall
from app.sessions.speech.chunks import InParts, Unwanted
from app.sessions.speech.registry import UtteranceRegistry
from app.sessions.speech.text.validation import is_silent
from app.sessions.speech.utterances import SpeechChunk, Utterance
from app.sessions.speech.voice.tts_fallback import VoiceSelector
from app.sessions.store.model import AvatarSession


class Send(Protocol):
    """Makes one call of a session, in order with its others."""

    async def __call__(
        self,
        operation: Operation,
        session: AvatarSession,
        call: AuditedCall,
        doing: Callable[[SessionAccess], Awaitable[None]],
        *,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Raises a `Problem`, or `Unwanted` when its turn comes and it `is_wanted` no more."""


class SpeechSender:
    """Says pieces; `send` is how calls go upstream."""

    def __init__(self, client: KalturaClient, voice: VoiceSelector, send: Send) -> None:
        self._client = client
        self._voice = voice
        self._send = send

    async def say(
        self,
        session: AvatarSession,
        turns: UtteranceRegistry,
        utterance: Utterance,
        chunk: SpeechChunk,
        is_wanted: Callable[[], bool],
    ) -> float | None:
        """See `Say`."""
        turn_id, call = _turn_at_kaltura(utterance), chunk.call
        assert call is not None  # noqa: S101 - every piece that comes in here has one
        recording = chunk.recording
        if recording is None and is_silent(chunk.text):
            # A voice that is given nothing to say may fail. But a turn at Kaltura needs its end.
            is_end = utterance.unfinished and chunk.final
            if self._voice.wants_audio or not is_end:
                return 0.0
        if recording is None and not self._voice.wants_audio:
            said = SayTextRequest(text=chunk.text, turn_id=turn_id, is_final=chunk.final)
            if await self._say_text(session, call, said, is_wanted):
                utterance.unfinished = not chunk.final
                return None
            if len(chunk.text) > self._voice.max_chunk_length:
                raise InParts
        if recording is None:
            recording = await self._voice.make(chunk.text)
            turns.said_by_fallback(utterance)
        made = recording
        await self._send(
            Operation.SAY_AUDIO,
            session,
            call,
            lambda access: self._client.say_audio(access, made, turn_id),
            is_wanted=is_wanted,
        )
        # Each recording is a turn at Kaltura, whatever text it is a part of.
        utterance.turns += not chunk.final
        return made.duration_seconds

    async def _say_text(
        self,
        session: AvatarSession,
        call: AuditedCall,
        said: SayTextRequest,
        is_wanted: Callable[[], bool],
    ) -> bool:
        """Whether Kaltura's own voice took a text; False when another has to."""
        try:
            await self._send(
                Operation.SAY_TEXT,
                session,
                call,
                lambda access: self._client.say_text(access, said),
                is_wanted=is_wanted,
            )
        except SpeechUnavailable:
            if is_silent(said.text):
                return True
            self._voice.kaltura_refused()
            if not self._voice.has_fallback:
                raise
            if not is_wanted():
                raise Unwanted from None
            return False
        self._voice.kaltura_spoke()
        return True


def _turn_at_kaltura(utterance: Utterance) -> TurnId:
    """The name of a turn there; what comes after the end of one is another turn."""
    number = "" if utterance.turns == 1 else f":{utterance.turns}"
    return utterance.turn_id[: 128 - len(number)] + number
