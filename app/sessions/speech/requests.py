"""What is asked to be said: checked, carried out once, and on record."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from app.config.setting_types import Control
from app.kaltura.contract import Operation, TurnId
from app.problems import ControlNotAllowed
from app.sessions.access import SessionGrant
from app.sessions.audio.recordings import Recordings, RecordingStopped
from app.sessions.auditing import SessionAuditor
from app.sessions.speech.idempotency import Attempt, Speak, WrittenText, digest
from app.sessions.speech.service import SpeechService
from app.sessions.speech.text.validation import new_turn_id, speakable
from app.sessions.speech.utterances import Receipt, UtteranceState
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import Clock


class SpeakRequests:
    """Takes texts and recordings to be said; raises a `Problem` for whatever can't be.

    A call that is sent again is answered as before (`IdempotentSpeaks`). `touch` notes a sign of
    life, or raises `SessionEnded`; `now` gives a session as it is by now.
    """

    def __init__(
        self,
        *,
        speech: SpeechService,
        auditor: SessionAuditor,
        touch: Callable[[AvatarSession], Awaitable[None]],
        now: Callable[[SessionGrant], Awaitable[AvatarSession]],
        max_text_length: int,
        address_share_percent: int,
        clock: Clock,
    ) -> None:
        self._speech = speech
        self._auditor = auditor
        self._touch = touch
        self._now = now
        self._max_text_length = max_text_length
        self._clock = clock
        self._recordings = Recordings(address_share_percent=address_share_percent)

    async def say_text(
        self,
        grant: SessionGrant,
        text: str,
        turn_id: TurnId | None,
        *,
        is_final: bool,
        idempotency_key: str | None,
    ) -> Receipt:
        """Say a text when its turn comes; its turn gets a name here when none is given."""

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.asked(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                require_control(grant, "speak")
                said = speakable(text, self._max_text_length)
                await self._touch(grant.session)
                turn = turn_id or new_turn_id()
                return await self._speech.say(grant.session, call, said, turn, is_final=is_final)

        speak = Speak(Operation.SAY_TEXT, turn_id, is_final, digest(text))
        return await self._once(grant, "speak", speak, idempotency_key, say)

    async def say_audio(
        self,
        grant: SessionGrant,
        audio: bytes,
        turn_id: TurnId | None,
        *,
        idempotency_key: str | None,
    ) -> Receipt:
        """The same for a recording.

        It is made fit to be said first (`Recordings`), and accepted when it is: what is asked for
        meanwhile goes before it, and what is stopped meanwhile is not said.
        """

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.asked(Operation.SAY_AUDIO, grant) as call:
                attempt.calls.append(call)
                require_control(grant, "speak-audio")
                await self._touch(grant.session)
                turn = turn_id or new_turn_id()
                try:
                    sound = await self._recordings.fit(
                        grant.session.session_id, audio, grant.address
                    )
                except RecordingStopped:
                    return Receipt(turn, "", UtteranceState.INTERRUPTED, self._clock())
                return await self._speech.say_audio(
                    await self._now(grant),
                    call,
                    sound,
                    turn,
                    bytes=len(audio),
                    seconds=round(sound.duration_seconds, 1),
                )

        content = await asyncio.to_thread(digest, audio)
        speak = Speak(Operation.SAY_AUDIO, turn_id, content=content)
        return await self._once(grant, "speak-audio", speak, idempotency_key, say)

    async def say_written(
        self,
        grant: SessionGrant,
        texts: AsyncIterator[str],
        turn_id: TurnId | None,
        *,
        idempotency_key: str | None,
    ) -> Receipt:
        """The same for a text that is being written; each piece of it is a sign of life."""
        written = WrittenText()

        async def say(attempt: Attempt) -> Receipt:
            async with self._auditor.asked_in_parts(Operation.SAY_TEXT, grant):
                require_control(grant, "speak")
                await self._touch(grant.session)
                touching = self._touching(grant.session, written.noted(texts))
                turn = turn_id or new_turn_id()
                return await self._speech.write(grant, touching, turn, attempt)

        speak = Speak(Operation.SAY_TEXT, turn_id, written=written)
        return await self._once(grant, "speak", speak, idempotency_key, say, texts)

    def is_repeated(self, grant: SessionGrant, idempotency_key: str | None) -> bool:
        """Whether a speak with this key would begin nothing: there was one with it."""
        speaks = self._speech.speaks(grant.session)
        return idempotency_key is not None and speaks.is_known(idempotency_key)

    def stop(self, session: AvatarSession) -> None:
        """Recordings that are being made fit to be said shall not be said."""
        self._recordings.stop(session.session_id)

    async def _once(
        self,
        grant: SessionGrant,
        control: Control,
        speak: Speak,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
        texts: AsyncIterator[str] | None = None,
    ) -> Receipt:
        """Whoever may not say it is refused, and not answered as one who may."""
        speaks = self._speech.speaks(grant.session)
        if control not in grant.controls or grant.session.ended is not None:
            return await carry_out(Attempt(speak))
        return await speaks.once(speak, idempotency_key, carry_out, texts)

    async def _touching(
        self, session: AvatarSession, texts: AsyncIterator[str]
    ) -> AsyncIterator[str]:
        async for text in texts:
            await self._touch(session)
            yield text


def require_control(grant: SessionGrant, control: Control) -> None:
    """Raises `ControlNotAllowed` for who may only watch."""
    if control not in grant.controls:
        raise ControlNotAllowed(f"Visitors may not use {control} here.")
