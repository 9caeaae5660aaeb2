"""How a chunk of an utterance is said: in Kaltura's own voice, or in another."""

from collections.abc import Callable

from app.kaltura.contract import SayTextRequest, TurnId
from app.problems import SpeechUnavailable
from app.sessions.auditing import AuditedCall
from app.sessions.error_mapping import UnwantedCall
from app.sessions.gateway import SessionGateway
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.chunks import InParts
from app.sessions.speech.registry import UtteranceRegistry
from app.sessions.speech.text.validation import is_silent
from app.sessions.speech.utterances import SpeechChunk, Utterance
from app.sessions.speech.voice.tts_fallback import VoiceSelector


class SpeechSender:
    """Says the chunks of every session."""

    def __init__(self, gateway: SessionGateway, voice: VoiceSelector) -> None:
        self._gateway = gateway
        self._voice = voice

    async def say(
        self,
        runtime: SessionRuntime,
        utterances: UtteranceRegistry,
        utterance: Utterance,
        chunk: SpeechChunk,
        is_wanted: Callable[[], bool],
    ) -> float | None:
        """Say one chunk; see `Say`."""
        turn_id, call = _turn_at_kaltura(utterance), chunk.call
        assert call is not None  # noqa: S101 - every chunk that comes in here has one
        recording = chunk.recording
        if recording is None and is_silent(chunk.text):
            # A voice that is given nothing to say may fail. But a turn at Kaltura needs its end.
            is_end = utterance.unfinished and chunk.final
            if self._voice.wants_audio or not is_end:
                return 0.0
        if recording is None and not self._voice.wants_audio:
            said = SayTextRequest(text=chunk.text, turn_id=turn_id, is_final=chunk.final)
            if await self._say_text(runtime, call, said, is_wanted):
                utterance.unfinished = not chunk.final
                return None
            if len(chunk.text) > self._voice.max_chunk_length:
                raise InParts
        if recording is None:
            recording = await self._voice.make(chunk.text)
            utterances.said_by_fallback(utterance)
        await self._gateway.say_audio(runtime, call, recording, turn_id, is_wanted)
        # Each recording is a turn at Kaltura, whatever text it is a part of.
        utterance.turns += not chunk.final
        return recording.duration_seconds

    async def _say_text(
        self,
        runtime: SessionRuntime,
        call: AuditedCall,
        said: SayTextRequest,
        is_wanted: Callable[[], bool],
    ) -> bool:
        """Whether Kaltura's own voice took a text; False when another has to."""
        try:
            await self._gateway.say_text(runtime, call, said, is_wanted)
        except SpeechUnavailable:
            if is_silent(said.text):
                return True
            self._voice.kaltura_refused()
            if not self._voice.has_fallback:
                raise
            if not is_wanted():
                raise UnwantedCall from None
            return False
        self._voice.kaltura_spoke()
        return True


def _turn_at_kaltura(utterance: Utterance) -> TurnId:
    """The name of a turn there; what comes after the end of one is another turn."""
    number = "" if utterance.turns == 1 else f":{utterance.turns}"
    return utterance.turn_id[: 128 - len(number)] + number
