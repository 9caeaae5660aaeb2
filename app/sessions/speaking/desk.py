"""Where everything that is to be said arrives: asked about, lined up, and said in its voice."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from app.kaltura.client import KalturaClient, Recording, SessionAccess
from app.kaltura.contract import Operation, SayTextRequest, TurnId
from app.problems import SessionEnded, SpeechUnavailable
from app.sessions.live import AvatarSession, LiveSessions
from app.sessions.speaking.assembly import SpeechServices
from app.sessions.speaking.events import Bulletin
from app.sessions.speaking.moments import Sleep
from app.sessions.speaking.pieces import InParts, Unwanted, awaited
from app.sessions.speaking.queue import SpeechQueue
from app.sessions.speaking.turns import Turns
from app.sessions.speaking.utterances import Piece, Receipt, Utterance
from app.sessions.speaking.writing import Writing
from app.sessions.tokens import Clock
from app.settings import Settings

MAX_ENDED: Final = 50
"""Sessions that are over whose utterances can still be asked for."""

OVER: Final = "session-ended"


class Send(Protocol):
    """Makes one call of a session, in order with its others."""

    async def __call__(
        self,
        operation: Operation,
        session: AvatarSession,
        call: Callable[[SessionAccess], Awaitable[None]],
        *,
        is_wanted: Callable[[], bool],
    ) -> None:
        """Raises a `Problem`, or `Unwanted` when its turn comes and it `is_wanted` no more."""


LastWord = Callable[[str], Awaitable[str]]
"""What is left of a text when the house has had its say."""


@dataclass(frozen=True)
class Room:
    """One session's speech."""

    queue: SpeechQueue
    bulletin: Bulletin


class SpeechDesk:
    """The speech of every session; `send` is how calls go upstream, `said` is told of each end."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: KalturaClient,
        sessions: LiveSessions,
        services: SpeechServices,
        send: Send,
        said: Callable[[AvatarSession, Receipt], None],
        clock: Clock,
        monotonic: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._client = client
        self._voice = services.voice
        self._hooks = services.hooks
        self._send = send
        self._said = said
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._rooms: dict[tuple[str, float], Room] = {}
        self._ended: OrderedDict[tuple[str, float], Room] = OrderedDict()
        sessions.when_ended(self._close)

    # Asked for

    async def say(
        self,
        session: AvatarSession,
        text: str,
        turn_id: TurnId,
        *,
        is_final: bool,
        last_word: LastWord,
    ) -> Receipt:
        """Say a text when its turn comes; raises `SpeechRefused` or `QueueFull`.

        When that is now, it returns once Kaltura took it, and raises what came in the way.
        """
        queue = self._room(session).queue
        async with queue.in_order() as arrived:
            text = await last_word(text)
            utterance = queue.begin(turn_id, text)
            piece = Piece(text, final=is_final)
            is_first = _lined_up(queue, utterance, piece, arrived)
        return await _outcome(utterance, piece, is_first=is_first)

    async def say_audio(
        self, session: AvatarSession, recording: Recording, turn_id: TurnId
    ) -> Receipt:
        """The same for a recording, of which no hook hears."""
        queue = self._room(session).queue
        async with queue.in_order() as arrived:
            utterance = queue.begin(turn_id, "", recording)
            piece = Piece("", recording=recording)
            is_first = _lined_up(queue, utterance, piece, arrived)
        return await _outcome(utterance, piece, is_first=is_first)

    async def write(
        self,
        session: AvatarSession,
        texts: AsyncIterator[str],
        turn_id: TurnId,
        last_word: LastWord,
    ) -> Receipt:
        """Say a text while it is being written; it holds its place in line until its end.

        Returns when all of it is in line or was stopped, and raises what came in the way.
        """
        writing = Writing(
            queue=self._room(session).queue,
            turn_id=turn_id,
            last_word=last_word,
            chunk_length=self._settings.speech_chunk_length,
            max_length=self._settings.max_text_length,
        )
        return await writing.read(texts)

    async def stop(self, session: AvatarSession) -> None:
        """Nothing that was asked for so far is said any more."""
        await self._room(session).queue.stop()

    # Told of

    def receipts(self, session: AvatarSession) -> list[Receipt]:
        """What was asked for in a session, and its fate."""
        return self.bulletin(session).receipts

    def bulletin(self, session: AvatarSession) -> Bulletin:
        """Where that is told as it happens."""
        return self._room(session).bulletin

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

    # Said

    async def last_word(self, session: AvatarSession, turn_id: TurnId, text: str) -> str:
        """What the hooks leave of a text; raises `SpeechRefused`."""
        return await self._hooks.last_word(
            session_id=session.session_id, visitor=session.owner, text=text, turn_id=turn_id
        )

    async def _say(
        self,
        session: AvatarSession,
        turns: Turns,
        utterance: Utterance,
        piece: Piece,
        is_wanted: Callable[[], bool],
    ) -> float | None:
        turn_id = _turn_at_kaltura(utterance)
        recording = piece.recording
        if recording is None and not self._voice.wants_audio:
            said = SayTextRequest(text=piece.text, turn_id=turn_id, is_final=piece.final)
            if await self._say_text(session, said, is_wanted):
                return None
            if len(piece.text) > self._voice.piece_length:
                raise InParts
        if recording is None:
            recording = await self._voice.make(piece.text)
            turns.said_by_fallback(utterance)
        made = recording
        await self._send(
            Operation.SAY_AUDIO,
            session,
            lambda access: self._client.say_audio(access, made, turn_id),
            is_wanted=is_wanted,
        )
        # Each recording is a turn at Kaltura, whatever text it is a part of.
        utterance.turns += not piece.final
        return made.duration_seconds

    async def _say_text(
        self, session: AvatarSession, said: SayTextRequest, is_wanted: Callable[[], bool]
    ) -> bool:
        """Whether Kaltura's own voice took a text; False when another has to."""
        try:
            await self._send(
                Operation.SAY_TEXT,
                session,
                lambda access: self._client.say_text(access, said),
                is_wanted=is_wanted,
            )
        except SpeechUnavailable:
            self._voice.kaltura_refused()
            if not self._voice.has_fallback:
                raise
            if not is_wanted():
                raise Unwanted from None
            return False
        self._voice.kaltura_spoke()
        return True

    # Rooms

    def _room(self, session: AvatarSession) -> Room:
        """A session's room; an id that Kaltura gives anew is another session's."""
        key = _key(session)
        room = self._rooms.get(key) or self._ended.get(key)
        if room is None:
            room = self._opened(session)
            if session.ended is None:
                self._rooms[key] = room
            else:
                room.bulletin.end()
        return room

    def _opened(self, session: AvatarSession) -> Room:
        bulletin = Bulletin()
        turns = Turns(bulletin, self._clock, partial(self._said, session))
        queue = SpeechQueue(
            say=partial(self._say, session, turns),
            interrupt=lambda: self._send(
                Operation.INTERRUPT, session, self._client.interrupt, is_wanted=lambda: True
            ),
            piece_length=lambda: self._voice.piece_length,
            max_text_length=self._settings.max_text_length,
            turns=turns,
            monotonic=self._monotonic,
            sleep=self._sleep,
        )
        return Room(queue, bulletin)

    def _close(self, session: AvatarSession) -> None:
        key = _key(session)
        room = self._rooms.pop(key, None)
        if room is None:
            return
        room.queue.close(OVER)
        room.bulletin.end()
        self._ended[key] = room
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)


def _key(session: AvatarSession) -> tuple[str, float]:
    return session.session_id, session.opened_at


def _lined_up(queue: SpeechQueue, utterance: Utterance, piece: Piece, arrived: int) -> bool:
    piece.accepted = awaited()
    is_first = queue.put(utterance, [piece], arrived)
    if not is_first:
        piece.accepted = None
    return is_first


async def _outcome(utterance: Utterance, piece: Piece, *, is_first: bool) -> Receipt:
    if is_first and piece.accepted is not None:
        await piece.accepted
    if utterance.receipt.reason == OVER:
        raise SessionEnded
    return utterance.receipt


def _turn_at_kaltura(utterance: Utterance) -> TurnId:
    """The name of a turn there; what comes after the end of one is another turn."""
    number = "" if utterance.turns == 1 else f":{utterance.turns}"
    return utterance.turn_id[: 128 - len(number)] + number
