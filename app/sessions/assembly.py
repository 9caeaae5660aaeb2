"""The domain, wired together."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from app.audit.redaction import TextRedaction
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.kaltura.client import KalturaClient
from app.kaltura.credentials import ConfiguredKs, KsSource, MintedKs
from app.kaltura.minting import KsMinter
from app.kaltura.observation import Observer, no_observer
from app.kaltura.transport import open_transport
from app.sessions.access import AccessControl, Services
from app.sessions.admission.admission import Admission
from app.sessions.admission.budgets import Budgets
from app.sessions.admission.capacity import CapacityManager
from app.sessions.auditing import SessionAuditor
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.reaper import Reaper
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.readiness import Readiness
from app.sessions.service import SessionService
from app.sessions.speech.assembly import SpeechServices
from app.sessions.speech.timers import Sleep
from app.sessions.stats import StatsReader
from app.sessions.store.memory import SessionStore
from app.sessions.tokens import Clock, SessionTokens


@dataclass(frozen=True)
class Sessions:
    """The parts that others use."""

    admission: Admission
    broker: SessionService
    terminator: SessionTerminator
    reaper: Reaper
    readiness: Readiness
    stats_reader: StatsReader
    auditor: SessionAuditor


def kaltura_client(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
    monotonic: Clock = time.monotonic,
    observer: Observer = no_observer,
) -> KalturaClient:
    """A client that opens sessions as the settings say; raises `SettingsError` without a KS."""
    transport = transport or open_transport()
    return KalturaClient(
        base_url=settings.avatar_base_url,
        ks_source=_ks_source(settings, transport, clock, monotonic, observer),
        transport=transport,
        timeout_seconds=settings.upstream_timeout_seconds,
        monotonic=monotonic,
        observer=observer,
    )


def _ks_source(
    settings: Settings,
    transport: httpx.AsyncBaseTransport,
    clock: Clock,
    monotonic: Clock,
    observer: Observer,
) -> KsSource:
    credentials, _ = settings.required_to_serve()
    if isinstance(credentials, SecretStr):
        return ConfiguredKs(credentials)
    mint = KsMinter(
        api_url=settings.kaltura_api_url,
        credentials=credentials,
        transport=transport,
        timeout_seconds=settings.upstream_timeout_seconds,
        observer=observer,
    )
    return MintedKs(mint, clock, monotonic)


def assemble(
    settings: Settings,
    *,
    client: KalturaClient,
    sessions: SessionStore,
    keyring: Keyring,
    record: AuditWriter,
    speech: SpeechServices,
    clock: SessionClock,
    monotonic: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
    is_record_down: Callable[[], bool] = lambda: False,
) -> Sessions:
    """The domain over a client of Kaltura's, a store of sessions and the record."""
    tokens = SessionTokens(keyring.signing(), clock)
    services = Services(settings.service_tokens)
    readiness = Readiness(settings, clock, speech.voice, lambda: client.is_refusing, is_record_down)
    places = CapacityManager(settings, sessions=sessions, clock=clock)
    budgets = Budgets(settings, sessions=sessions, clock=clock)
    texts = TextRedaction(settings.audit_text, keyring.words())
    auditor = SessionAuditor(record, texts, clock.wall, monotonic)
    terminator = SessionTerminator(
        client=client, sessions=sessions, places=places, auditor=auditor, clock=clock
    )
    creator = SessionCreator(
        settings=settings,
        client=client,
        sessions=sessions,
        places=places,
        budgets=budgets,
        tokens=tokens,
        terminator=terminator,
        readiness=readiness,
        auditor=auditor,
        clock=clock,
    )
    access_control = AccessControl(
        sessions=sessions,
        tokens=tokens,
        services=services,
        sealed=settings.sealed,
        visitor_controls=frozenset(settings.visitor_controls),
    )
    admission = Admission(
        at_most=settings.max_sessions_per_visitor,
        sessions=sessions,
        services=services,
        creator=creator,
        terminator=terminator,
        places=places,
        clock=clock,
    )
    broker = SessionService(
        settings=settings,
        client=client,
        sessions=sessions,
        access_control=access_control,
        creator=creator,
        terminator=terminator,
        budgets=budgets,
        auditor=auditor,
        speech=speech,
        clock=clock,
        monotonic=monotonic,
        sleep=sleep,
    )
    reaper = Reaper(
        terminator=terminator,
        sessions=sessions,
        places=places,
        budgets=budgets,
        idle_seconds=settings.session_idle_seconds,
        clock=clock,
    )
    stats_reader = StatsReader(
        client=client,
        sessions=sessions,
        places=places,
        creator=creator,
        record=record,
        speech=broker.speech,
        voice=speech.voice,
    )
    return Sessions(admission, broker, terminator, reaper, readiness, stats_reader, auditor)
