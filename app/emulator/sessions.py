"""The sessions of one emulator, open and lately ended."""

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from app.emulator.media.stage import Speaker, Stage
from app.emulator.settings import EmulatorSettings
from app.emulator.speech.voice import Voice
from app.kaltura.contract import CreateRequest, WireModel


class TooManySessionsError(Exception):
    """As many sessions are open as the emulator allows."""


class Viewer(Protocol):
    """Whoever watches a session; there is at most one (reference 3)."""

    viewer_id: str

    async def close(self) -> None:
        """Stop watching; harmless when repeated."""


class Call(WireModel, frozen=False):
    """One call that reached the emulator; `status` is None while it has no answer, or for ever.

    `operation` is one of the seven, or `whep` or `whep-delete`.
    """

    at: float
    operation: str
    status: int | None
    turn_id: str | None = None
    text: str | None = None


@dataclass(eq=False, slots=True)
class Session:
    """One avatar session, from create until it is forgotten."""

    session_id: str
    whep_key: str
    avatar_id: str
    voice_id: str | None
    created_at: float
    stage: Stage
    calls: deque[Call]
    initialised: bool = False
    ended_at: float | None = None
    viewer: Viewer | None = field(default=None, repr=False)

    @property
    def state(self) -> str:
        """`created`, then `live` from the first init-client on, then `ended`."""
        if self.ended_at is not None:
            return "ended"
        return "live" if self.initialised else "created"


class Sessions:
    """Opens, finds and ends sessions; both the open and the remembered are bounded."""

    def __init__(self, settings: EmulatorSettings, speaker: Speaker) -> None:
        self._settings = settings
        self._speaker = speaker
        self._open: dict[str, Session] = {}
        self._ended: OrderedDict[str, Session] = OrderedDict()
        self.opened = 0
        self.highest_open = 0
        self.stray_calls: deque[Call] = deque(maxlen=settings.max_calls)
        """Calls that belong to no session, such as a create that was refused."""

    def __iter__(self) -> Iterator[Session]:
        """Yield every session that is remembered, the ended ones first."""
        yield from self._ended.values()
        yield from self._open.values()

    @property
    def open_count(self) -> int:
        """How many sessions are open."""
        return len(self._open)

    def create(self, request: CreateRequest) -> Session:
        """Open a session; raises TooManySessionsError."""
        if len(self._open) >= self._settings.max_sessions:
            raise TooManySessionsError
        voice = Voice.of(request.voice_config)
        session = Session(
            session_id=secrets.token_hex(12),
            whep_key=secrets.token_urlsafe(24),
            avatar_id=request.visual_config.id,
            voice_id=request.voice_config.id if request.voice_config else None,
            created_at=self._settings.clock(),
            stage=Stage(self._speaker, voice, self._settings.max_queued),
            calls=deque(maxlen=self._settings.max_calls),
        )
        self._open[session.session_id] = session
        self.opened += 1
        self.highest_open = max(self.highest_open, len(self._open))
        return session

    def get(self, session_id: str) -> Session | None:
        """Return a session, open or remembered."""
        return self._open.get(session_id) or self._ended.get(session_id)

    def with_whep_key(self, key: str) -> Session | None:
        """Return the open session whose `whepUrl` ends in `key`."""
        given = key.encode()
        matches = (
            session
            for session in self._open.values()
            if secrets.compare_digest(session.whep_key.encode(), given)
        )
        return next(matches, None)

    async def end(self, session: Session) -> None:
        """End an open session: nothing more is said, and the viewer is gone."""
        del self._open[session.session_id]
        session.ended_at = self._settings.clock()
        self._ended[session.session_id] = session
        if len(self._ended) > self._settings.max_ended:
            self._ended.popitem(last=False)
        session.stage.interrupt()
        if session.viewer is not None:
            await session.viewer.close()

    async def close(self) -> None:
        """End every session, at shutdown."""
        for session in list(self._open.values()):
            await self.end(session)
