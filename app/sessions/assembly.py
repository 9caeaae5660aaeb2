"""The domain, wired together."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from app.audit.record import Record
from app.audit.texts import Texts
from app.kaltura.client import KalturaClient
from app.kaltura.credentials import ConfiguredKs, KsSource, MintedKs
from app.kaltura.exchange import Observer, unobserved
from app.kaltura.minting import Mint
from app.kaltura.transport import open_transport
from app.sessions.broker import SessionBroker
from app.sessions.budgets import Budgets
from app.sessions.chronicle import Chronicle
from app.sessions.clock import SessionClock
from app.sessions.ending import SessionEnder
from app.sessions.figures import Overview
from app.sessions.keyring import Keyring
from app.sessions.live import LiveSessions
from app.sessions.opening import SessionOpener
from app.sessions.ownership import Ownership, Services
from app.sessions.places import Places
from app.sessions.readiness import Readiness
from app.sessions.reaper import Reaper
from app.sessions.reception import Reception
from app.sessions.speaking.assembly import SpeechServices
from app.sessions.speaking.moments import Sleep
from app.sessions.tokens import Clock, SessionTokens
from app.settings import Settings


@dataclass(frozen=True)
class Sessions:
    """The parts that others use."""

    reception: Reception
    broker: SessionBroker
    ender: SessionEnder
    reaper: Reaper
    readiness: Readiness
    overview: Overview
    chronicle: Chronicle


def kaltura_client(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
    monotonic: Clock = time.monotonic,
    observer: Observer = unobserved,
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
    mint = Mint(
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
    sessions: LiveSessions,
    keyring: Keyring,
    record: Record,
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
    places = Places(settings, sessions=sessions, clock=clock)
    budgets = Budgets(settings, sessions=sessions, clock=clock)
    texts = Texts(settings.audit_text, keyring.words())
    chronicle = Chronicle(record, texts, clock.wall, monotonic)
    ender = SessionEnder(
        client=client, sessions=sessions, places=places, chronicle=chronicle, clock=clock
    )
    opener = SessionOpener(
        settings=settings,
        client=client,
        sessions=sessions,
        places=places,
        budgets=budgets,
        tokens=tokens,
        ender=ender,
        readiness=readiness,
        chronicle=chronicle,
        clock=clock,
    )
    ownership = Ownership(
        sessions=sessions,
        tokens=tokens,
        services=services,
        sealed=settings.sealed,
        visitor_controls=frozenset(settings.visitor_controls),
    )
    reception = Reception(
        at_most=settings.max_sessions_per_visitor,
        sessions=sessions,
        services=services,
        opener=opener,
        ender=ender,
        places=places,
        clock=clock,
    )
    broker = SessionBroker(
        settings=settings,
        client=client,
        sessions=sessions,
        ownership=ownership,
        opener=opener,
        ender=ender,
        budgets=budgets,
        chronicle=chronicle,
        speech=speech,
        clock=clock,
        monotonic=monotonic,
        sleep=sleep,
    )
    reaper = Reaper(
        ender=ender,
        sessions=sessions,
        places=places,
        budgets=budgets,
        idle_seconds=settings.session_idle_seconds,
        clock=clock,
    )
    overview = Overview(
        client=client,
        sessions=sessions,
        places=places,
        opener=opener,
        record=record,
        speech=broker.speech,
        voice=speech.voice,
    )
    return Sessions(reception, broker, ender, reaper, readiness, overview, chronicle)
