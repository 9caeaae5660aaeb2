"""Where everything that is to be said arrives: asked about, lined up, and said in its voice."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.config.settings import Settings
from app.kaltura.client import KalturaClient, Recording
from app.kaltura.contract import Operation, TurnId
from app.problems import SessionEnded, SpeechRefused
from app.sessions.access import SessionGrant
from app.sessions.auditing import AuditedCall, SessionAuditor
from app.sessions.speech.assembly import SpeechServices
from app.sessions.speech.chunks import awaited
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import Attempt, IdempotentSpeaks
from app.sessions.speech.queue import SpeechQueue
from app.sessions.speech.registry import UtteranceRegistry
from app.sessions.speech.sender import Send, SpeechSender
from app.sessions.speech.text.streaming import StreamedText
from app.sessions.speech.timers import Sleep
from app.sessions.speech.utterances import Receipt, SpeechChunk, Utterance
from app.sessions.store.memory import SessionStore
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import Clock

MAX_ENDED: Final = 50
"""Sessions that are over whose utterances can still be asked for."""

OVER: Final = "session-ended"


@dataclass(frozen=True)
class SessionSpeech:
    """One session's speech."""

    queue: SpeechQueue
    feed: UtteranceFeed
    speaks: IdempotentSpeaks


class SpeechService:
    """The speech of every session; `send` is how calls go upstream.

    Each text is on record before it is answered, as the house's hooks leave it, and its outcome
    when it is known: that may be later.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: SessionStore,
        services: SpeechServices,
        auditor: SessionAuditor,
        send: Send,
        clock: Clock,
        monotonic: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._voice = services.voice
        self._hooks = services.hooks
        self._auditor = auditor
        self._send = send
        self._sender = SpeechSender(client, services.voice, send)
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rooms: dict[tuple[str, float], SessionSpeech] = {}
        self._ended: OrderedDict[tuple[str, float], SessionSpeech] = OrderedDict()
        sessions.when_ended(self._close)

    # Asked for

    async def say(
        self,
        session: AvatarSession,
        call: AuditedCall,
        text: str,
        turn_id: TurnId,
        *,
        is_final: bool,
    ) -> Receipt:
        """Say a text when its turn comes; raises `SpeechRefused` or `QueueFull`.

        When that is now, it returns once Kaltura took it, and raises what came in the way.
        """
        queue = self._room(session).queue
        async with queue.in_order() as arrived:
            queue.require_room(turn_id, text)
            text = await self._moderate(session, call, turn_id, text, is_final=is_final)
            utterance = queue.begin(turn_id, text)
            chunk = SpeechChunk(text, final=is_final, call=call)
            is_first = _lined_up(queue, utterance, chunk, arrived)
        return await _outcome(utterance, chunk, is_first=is_first)

    async def say_audio(
        self,
        session: AvatarSession,
        call: AuditedCall,
        recording: Recording,
        turn_id: TurnId,
        **detail: Any,
    ) -> Receipt:
        """The same for a recording, of which no hook hears; `detail` is for the record."""
        queue = self._room(session).queue
        async with queue.in_order() as arrived:
            queue.require_room(turn_id, "", recording)
            await call.accepted(turnId=turn_id, **detail)
            utterance = queue.begin(turn_id, "")
            chunk = SpeechChunk("", recording=recording, call=call)
            is_first = _lined_up(queue, utterance, chunk, arrived)
        return await _outcome(utterance, chunk, is_first=is_first)

    async def write(
        self, grant: SessionGrant, texts: AsyncIterator[str], turn_id: TurnId, attempt: Attempt
    ) -> Receipt:
        """Say a text while it is being written; it holds its place in line until its end.

        Returns when all of it is in line or was stopped, and raises what came in the way. Each
        sentence is a call of its own on the record.
        """

        async def sentence(text: str, *, is_final: bool) -> SpeechChunk:
            async with self._auditor.asked(Operation.SAY_TEXT, grant) as call:
                attempt.calls.append(call)
                text = await self._moderate(grant.session, call, turn_id, text, is_final=is_final)
                call.goes_on = True
            return SpeechChunk(text, final=is_final, call=call)

        writing = StreamedText(
            queue=self._room(grant.session).queue,
            turn_id=turn_id,
            sentence=sentence,
            chunk_length=self._settings.speech_chunk_length,
            max_length=self._settings.max_text_length,
        )
        return await writing.read(texts)

    async def stop(self, session: AvatarSession, call: AuditedCall) -> None:
        """Nothing that was asked for so far is said any more."""
        interrupt = partial(self._send, Operation.INTERRUPT, session, call, self._client.interrupt)
        await self._room(session).queue.stop(interrupt)

    def speaks(self, session: AvatarSession) -> IdempotentSpeaks:
        """The speaks of a session that are recognised when they are sent again."""
        return self._room(session).speaks

    # Told of

    def receipts(self, session: AvatarSession) -> list[Receipt]:
        """What was asked for in a session, and its fate."""
        return self.feed(session).receipts

    def feed(self, session: AvatarSession) -> UtteranceFeed:
        """Where that is told as it happens."""
        return self._room(session).feed

    @property
    def waiting(self) -> int:
        """Utterances of all sessions that wait to be said."""
        return sum(len(room.queue) for room in self._rooms.values())

    def heard(self, session: AvatarSession, turn_id: TurnId, *, begins: bool) -> None:
        """A player heard an utterance begin or end."""
        self._room(session).queue.heard(turn_id, begins=begins)

    async def settle(self) -> None:
        """Break off what is under way, at the end of the process."""
        for room in (*self._rooms.values(), *self._ended.values()):
            await room.queue.settle()

    # Asked about

    async def _moderate(
        self,
        session: AvatarSession,
        call: AuditedCall,
        turn_id: TurnId,
        asked: str,
        *,
        is_final: bool,
    ) -> str:
        """What the hooks leave of a text, which is on record then; raises `SpeechRefused`."""
        detail: dict[str, Any] = {"turnId": turn_id, "isFinal": None if is_final else False}
        try:
            text = await self._hooks.moderate(
                session_id=session.session_id, visitor=session.owner, text=asked, turn_id=turn_id
            )
        except SpeechRefused:
            await call.accepted(text=asked, **detail)
            raise
        changed_from = None if text == asked else asked
        await call.accepted(text=text, instead_of=changed_from, **detail)
        return text

    async def _interrupt_again(self, session: AvatarSession) -> None:
        """What one Stop did not reach; the broker does it by itself."""
        interrupting = self._auditor.call(Operation.INTERRUPT, session, bypass_limits=True)
        async with interrupting as call:
            await self._send(Operation.INTERRUPT, session, call, self._client.interrupt)

    # Rooms

    def _room(self, session: AvatarSession) -> SessionSpeech:
        """A session's room; an id that Kaltura gives anew is another session's."""
        key = _key(session)
        room = self._rooms.get(key) or self._ended.get(key)
        if room is None:
            room = self._opened(session)
            # One may have been opened in the moment in which its session ended.
            self._rooms = {key: each for key, each in self._rooms.items() if not each.queue.is_over}
            if session.ended is None:
                self._rooms[key] = room
            else:
                room.feed.end()
        return room

    def _opened(self, session: AvatarSession) -> SessionSpeech:
        feed = UtteranceFeed()
        turns = UtteranceRegistry(feed, self._clock)
        queue = SpeechQueue(
            say=partial(self._sender.say, session, turns),
            interrupt=partial(self._interrupt_again, session),
            max_chunk_length=lambda: self._voice.max_chunk_length,
            max_text_length=self._settings.max_text_length,
            turns=turns,
            monotonic=self._monotonic,
            sleep=self._sleep,
        )
        return SessionSpeech(queue, feed, IdempotentSpeaks())

    def _close(self, session: AvatarSession) -> None:
        key = _key(session)
        room = self._rooms.pop(key, None)
        if room is None:
            return
        room.queue.close(OVER)
        room.feed.end()
        self._ended[key] = room
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)


def _key(session: AvatarSession) -> tuple[str, float]:
    return session.session_id, session.opened_at


def _lined_up(queue: SpeechQueue, utterance: Utterance, chunk: SpeechChunk, arrived: int) -> bool:
    chunk.accepted = awaited()
    is_first = queue.put(utterance, [chunk], arrived)
    if not is_first:
        chunk.accepted = None
        if not utterance.over and chunk.call is not None:
            chunk.call.goes_on = True
    return is_first


async def _outcome(utterance: Utterance, chunk: SpeechChunk, *, is_first: bool) -> Receipt:
    if is_first and chunk.accepted is not None:
        await chunk.accepted
    if utterance.receipt.reason == OVER:
        raise SessionEnded
    return utterance.receipt
