"""The sessions of one emulator: the open ones, and the latest of the ended ones."""

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from app.emulator.media.speech_player import SpeechPlayer, TextToSpeech
from app.emulator.settings import EmulatorSettings
from app.emulator.speech.voice import Voice
from app.kaltura.contract import CreateRequest, WireModel


class TooManySessionsError(Exception):
    """Raised by a create beyond `EmulatorSettings.max_sessions`."""


class Viewer(Protocol):
    """The viewer of a session; a session has at most one (reference 3)."""

    viewer_id: str

    async def close(self) -> None:
        """Close the viewer's connection; harmless when repeated."""


class RecordedCall(WireModel, frozen=False):
    """One call that reached the emulator; `status` is None while, or if ever, it is unanswered.

    `at` is in unix seconds. `operation` is one of the seven, one of the catalog's, or `whep` or
    `whep-delete`.
    """

    at: float
    operation: str
    status: int | None
    turn_id: str | None = None
    text: str | None = None


@dataclass(eq=False, slots=True)
class Session:
    """One avatar session, which is kept for some time after its end."""

    session_id: str
    whep_key: str
    avatar_id: str
    voice_id: str | None
    created_at: float
    player: SpeechPlayer
    calls: deque[RecordedCall]
    initialised: bool = False
    ended_at: float | None = None
    viewer: Viewer | None = field(default=None, repr=False)

    @property
    def state(self) -> str:
        """The state: `created`, from the first init-client on `live`, at last `ended`."""
        if self.ended_at is not None:
            return "ended"
        return "live" if self.initialised else "created"


class EmulatorSessions:
    """Opens, finds and ends sessions; the numbers of open and of ended sessions are bounded."""

    def __init__(self, settings: EmulatorSettings, tts: TextToSpeech) -> None:
        self._settings = settings
        self._tts = tts
        self._open: dict[str, Session] = {}
        self._ended: OrderedDict[str, Session] = OrderedDict()
        self.opened = 0
        self.highest_open = 0
        self.unassigned_calls: deque[RecordedCall] = deque(maxlen=settings.max_calls)
        """The calls that belong to no session, such as a create that was refused."""

    def __iter__(self) -> Iterator[Session]:
        """Yield every session, the ended ones first."""
        yield from self._ended.values()
        yield from self._open.values()

    @property
    def open_count(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def create(self, request: CreateRequest) -> Session:
        """Open a session; raises `TooManySessionsError`."""
        if len(self._open) >= self._settings.max_sessions:
            raise TooManySessionsError
        voice = Voice.of(request.voice_config)
        session = Session(
            session_id=secrets.token_hex(12),
            whep_key=secrets.token_urlsafe(24),
            avatar_id=request.visual_config.id,
            voice_id=request.voice_config.id if request.voice_config else None,
            created_at=self._settings.clock(),
            player=SpeechPlayer(self._tts, voice, self._settings.max_queued),
            calls=deque(maxlen=self._settings.max_calls),
        )
        self._open[session.session_id] = session
        self.opened += 1
        self.highest_open = max(self.highest_open, len(self._open))
        return session

    def get(self, session_id: str) -> Session | None:
        """The open or ended session of this id, or None."""
        return self._open.get(session_id) or self._ended.get(session_id)

    def with_whep_key(self, key: str) -> Session | None:
        """The open session whose `whepUrl` ends in `key`, or None."""
        given = key.encode()
        matches = (
            session
            for session in self._open.values()
            if secrets.compare_digest(session.whep_key.encode(), given)
        )
        return next(matches, None)

    async def end(self, session: Session) -> None:
        """End an open session: stop its speech, and close its viewer."""
        del self._open[session.session_id]
        session.ended_at = self._settings.clock()
        self._ended[session.session_id] = session
        if len(self._ended) > self._settings.max_ended:
            self._ended.popitem(last=False)
        session.player.interrupt()
        if session.viewer is not None:
            await session.viewer.close()

    async def close(self) -> None:
        """End every open session."""
        for session in list(self._open.values()):
            await self.end(session)
