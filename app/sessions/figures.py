"""How things stand: how full the house is, and what this process has done since it began."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.audit.record import Record
from app.kaltura.client import KalturaClient
from app.sessions.live import EndReason, LiveSessions
from app.sessions.opening import SessionOpener
from app.sessions.places import Places
from app.sessions.speaking.voice import Speech, Voice


@dataclass(frozen=True)
class Figures:
    """How things stand at one moment; what is counted, is counted from the process's start."""

    live: int
    ending: int
    capacity: int
    waiting: int
    waiting_capacity: int
    opened: int
    ended: Mapping[EndReason, int]
    ks_renewals: Mapping[str, int]
    breaker: str
    speech: Speech
    pieces_said: Mapping[Speech, int]
    audit_waiting: int
    audit_lag_seconds: float
    audit_writable: bool
    audit_lost: int


class Overview:
    """Looks at the parts of the house; only reads."""

    def __init__(
        self,
        *,
        client: KalturaClient,
        sessions: LiveSessions,
        places: Places,
        opener: SessionOpener,
        record: Record,
        voice: Voice,
    ) -> None:
        self._client = client
        self._sessions = sessions
        self._places = places
        self._opener = opener
        self._record = record
        self._voice = voice

    async def figures(self) -> Figures:
        """How things stand now."""
        sessions = await self._sessions.all()
        live = sum(session.ended is None for session in sessions)
        return Figures(
            live=live,
            ending=len(sessions) - live,
            capacity=self._places.capacity,
            waiting=self._places.waiting,
            waiting_capacity=self._places.waiting_capacity,
            opened=self._opener.opened_count,
            ended=self._sessions.ended_count,
            ks_renewals=self._client.ks_renewals,
            breaker=self._client.breaker_state,
            speech=self._voice.speech,
            pieces_said=self._voice.said,
            audit_waiting=self._record.waiting,
            audit_lag_seconds=self._record.lag_seconds,
            audit_writable=not self._record.is_doubtful,
            audit_lost=self._record.lost,
        )
