"""Figures for the metrics and the operator's console."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.audit.writer import AuditWriter
from app.kaltura.client import KalturaClient
from app.sessions.capacity.manager import CapacityManager
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.registry import SessionRegistry
from app.sessions.speech.service import SpeechService
from app.sessions.speech.voice.tts_fallback import SpeechMode
from app.sessions.store.model import EndReason


@dataclass(frozen=True)
class Stats:
    """Figures of one moment; counters count from the start of the process."""

    live: int
    ending: int
    capacity: int
    waiting: int
    waiting_capacity: int
    opened: int
    ended: Mapping[EndReason, int]
    ks_renewals: Mapping[str, int]
    breaker: str
    audit_waiting: int
    audit_lag_seconds: float
    audit_writable: bool
    audit_lost: int
    utterances_waiting: int
    voice: SpeechMode
    voice_said: Mapping[SpeechMode, int]
    voice_switches: int


class StatsReader:
    """Reads the figures from the parts that keep them."""

    def __init__(
        self,
        *,
        client: KalturaClient,
        registry: SessionRegistry,
        capacity: CapacityManager,
        creator: SessionCreator,
        record: AuditWriter,
        speech: SpeechService,
    ) -> None:
        self._client = client
        self._registry = registry
        self._capacity = capacity
        self._creator = creator
        self._record = record
        self._speech = speech

    async def stats(self) -> Stats:
        """The figures of this moment."""
        index = self._registry.index
        return Stats(
            live=index.live,
            ending=index.open - index.live,
            capacity=self._capacity.capacity,
            waiting=self._capacity.waiting,
            waiting_capacity=self._capacity.waiting_capacity,
            opened=self._creator.opened_count,
            ended=self._registry.ended_count,
            ks_renewals=self._client.ks_renewals,
            breaker=self._client.breaker_state,
            audit_waiting=self._record.waiting,
            audit_lag_seconds=self._record.lag_seconds,
            audit_writable=not self._record.is_doubtful,
            audit_lost=self._record.lost,
            utterances_waiting=self._speech.waiting,
            voice=self._speech.voice.speech,
            voice_said=self._speech.voice.said,
            voice_switches=self._speech.voice.switches,
        )
