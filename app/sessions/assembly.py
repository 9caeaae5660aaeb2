"""Builds the parts of `app.sessions` and wires them together."""

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from app.audit.redaction import TextRedaction
from app.audit.writer import AuditWriter
from app.config.settings import Settings
from app.kaltura.catalog import PictureClient
from app.kaltura.client import KalturaClient
from app.kaltura.control_transport import ControlTransport
from app.kaltura.http import HttpClient
from app.kaltura.ks_sources import ConfiguredKs, KsSource, MintedKs
from app.kaltura.minting import KsMinter
from app.kaltura.observation import Observer, no_observer
from app.kaltura.transport import open_transport
from app.replicas.lease import Lease
from app.sessions.access import AccessControl
from app.sessions.admission import Admission
from app.sessions.auditing import SessionAuditor
from app.sessions.capacity.budgets import Budgets
from app.sessions.capacity.local_store import LocalCapacity
from app.sessions.capacity.manager import CapacityManager
from app.sessions.capacity.state import CapacityStore
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.catalog.catalog import Catalog
from app.sessions.clock import Clocks, SessionClock
from app.sessions.gateway import SessionGateway
from app.sessions.keyring import Keyring
from app.sessions.lifecycle.creation import SessionCreator
from app.sessions.lifecycle.handover import Handover
from app.sessions.lifecycle.presence import SessionPresence
from app.sessions.lifecycle.reaper import Reaper
from app.sessions.lifecycle.shutdown import SessionShutdown
from app.sessions.lifecycle.termination import SessionTerminator
from app.sessions.readiness import Readiness
from app.sessions.registry import SessionRegistry
from app.sessions.service import SessionService
from app.sessions.speech.assembly import SpeechServices
from app.sessions.speech.service import SpeechService
from app.sessions.stats import StatsReader
from app.sessions.store.overview import SharedOverview
from app.sessions.store.writer import SessionStore
from app.sessions.tokens import SessionTokens


@dataclass(frozen=True)
class Sessions:
    """The parts of `app.sessions` that the routes and the server use."""

    access_control: AccessControl
    admission: Admission
    auditor: SessionAuditor
    budgets: Budgets
    catalog: Catalog
    capacity: CapacityManager
    handover: Handover
    presence: SessionPresence
    readiness: Readiness
    reaper: Reaper
    registry: SessionRegistry
    service: SessionService
    shutdown: SessionShutdown
    speech: SpeechService
    stats_reader: StatsReader
    terminator: SessionTerminator


def kaltura_client(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    clocks: Clocks = Clocks(),  # noqa: B008 - a frozen value
    observer: Observer = no_observer,
) -> KalturaClient:
    """Build the client for Kaltura's API from the settings; raises `SettingsError` without a KS."""
    transport = transport or ControlTransport()
    return KalturaClient(
        base_url=settings.avatar_base_url,
        ks_source=_ks_source(settings, transport, clocks, observer),
        transport=transport,
        timeout_seconds=settings.upstream_timeout_seconds,
        monotonic=clocks.monotonic,
        observer=observer,
    )


def picture_client(
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    observer: Observer = no_observer,
) -> PictureClient:
    """Build the client for pictures; on loopback alone it may fetch from private addresses."""
    allow_private = settings.upstream_is_local
    transport = transport or open_transport(is_public_only=not allow_private)
    http = HttpClient(transport, settings.upstream_timeout_seconds, observer)
    return PictureClient(http, allow_private=allow_private)


def _ks_source(
    settings: Settings,
    transport: httpx.AsyncBaseTransport,
    clocks: Clocks,
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
    return MintedKs(mint, clocks.wall, clocks.monotonic)


def assemble(
    settings: Settings,
    *,
    client: KalturaClient,
    store: SessionStore,
    lease: Lease,
    keyring: Keyring,
    record: AuditWriter,
    services: SpeechServices,
    clocks: Clocks,
    clock: SessionClock,
    shared_capacity: CapacityStore | None = None,
    overview: SharedOverview | None = None,
    is_record_down: Callable[[], bool] = lambda: False,
) -> Sessions:
    """Build every part over a Kaltura client, a session store and a writer of the audit record.

    `shared_capacity` is the state of capacity that other processes share, and `overview` reads
    their sessions; both are None for a single process.

    The parts are built in the order of their dependencies: each knows only parts built before it.
    """
    redaction = TextRedaction(settings.audit_text, keyring.words())
    auditor = SessionAuditor(record, redaction, clock.wall, clocks.monotonic)
    registry = SessionRegistry(store, auditor, clock)
    gateway = SessionGateway(client, registry, auditor, lease)
    capacity = CapacityManager(
        settings,
        shared_capacity
        or LocalCapacity(registry.index, max_waiting=settings.max_waiting, clock=clock),
        WaitEstimate(
            registry.index,
            max_seconds=settings.session_max_seconds,
            idle_seconds=settings.session_idle_seconds,
            clock=clock,
        ),
    )
    budgets = Budgets(settings, registry=registry, overview=overview, clock=clock)
    terminator = SessionTerminator(
        gateway=gateway, registry=registry, capacity=capacity, auditor=auditor, clock=clock
    )
    readiness = Readiness(
        settings, clock, services.voice, lambda: client.is_refusing, is_record_down
    )
    creator = SessionCreator(
        settings,
        gateway=gateway,
        registry=registry,
        terminator=terminator,
        readiness=readiness,
        clock=clock,
    )
    catalog = Catalog(settings, client.catalog, clocks.monotonic)
    admission = Admission(
        catalog,
        registry=registry,
        capacity=capacity,
        budgets=budgets,
        creator=creator,
        address_key=keyring.addresses(),
    )
    tokens = SessionTokens(keyring.signing(), clock, sealed=settings.sealed)
    handover = Handover(registry, clocks)
    speech = SpeechService(
        settings,
        gateway=gateway,
        registry=registry,
        services=services,
        auditor=auditor,
        clocks=clocks,
    )
    return Sessions(
        access_control=AccessControl(
            registry=registry,
            tokens=tokens,
            sealed=settings.sealed,
            visitor_controls=frozenset(settings.visitor_controls),
        ),
        admission=admission,
        auditor=auditor,
        budgets=budgets,
        catalog=catalog,
        capacity=capacity,
        handover=handover,
        presence=SessionPresence(
            registry=registry, tokens=tokens, terminator=terminator, clock=clock
        ),
        readiness=readiness,
        reaper=Reaper(
            terminator=terminator,
            registry=registry,
            capacity=capacity,
            budgets=budgets,
            idle_seconds=settings.session_idle_seconds,
            clock=clock,
        ),
        registry=registry,
        service=SessionService(
            registry=registry,
            gateway=gateway,
            creator=creator,
            terminator=terminator,
            auditor=auditor,
            clock=clock,
        ),
        shutdown=SessionShutdown(
            registry=registry,
            terminator=terminator,
            speech=speech,
            keeps_sessions=lambda: settings.shutdown_sessions == "keep" or handover.has_begun,
            creates_under_way=lambda: admission.under_way + client.late_creates,
        ),
        speech=speech,
        stats_reader=StatsReader(
            client=client,
            registry=registry,
            capacity=capacity,
            creator=creator,
            record=record,
            speech=speech,
            lease=lease,
            overview=overview,
        ),
        terminator=terminator,
    )
