"""The domain without the web around it."""

from typing import Any

from pydantic import SecretStr

from app.audit.writer import AuditWriter
from app.kaltura.client import KalturaClient
from app.kaltura.ks_sources import ConfiguredKs
from app.replicas.lease import Lease
from app.sessions.access import EVERY_CONTROL, SessionGrant
from app.sessions.assembly import assemble
from app.sessions.capacity.manager import QueuePosition
from app.sessions.capacity.state import CapacityStore
from app.sessions.clock import Clock, Clocks, SessionClock
from app.sessions.keyring import keyring_of
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.runtime import SessionRuntime
from app.sessions.speech.assembly import services_of
from app.sessions.speech.text.moderation import Hook
from app.sessions.speech.utterances import Receipt
from app.sessions.store.model import AvatarSession
from app.sessions.store.writer import SessionStore
from app.sessions.tokens import OpenedSession, SessionTokens
from tests.support.doubles import (
    FakeClock,
    FakeKaltura,
    FakeServices,
    InMemoryAuditWriter,
    settings,
)
from tests.support.session_store import InMemorySessionStore


def grant(session: SessionRuntime) -> SessionGrant:
    """A caller's right to use every control of a session."""
    return SessionGrant(session, EVERY_CONTROL)


class Domain:
    """The domain, with everything around it in the test's hands."""

    def __init__(
        self,
        kaltura: FakeKaltura,
        clock: FakeClock,
        store: SessionStore | None = None,
        services: FakeServices | None = None,
        hooks: list[Hook] | None = None,
        record: AuditWriter | None = None,
        timeout_seconds: float = 5,
        monotonic: FakeClock | None = None,
        stopwatch: Clock = lambda: 0.0,
        session_clock: SessionClock | None = None,
        lease: Lease | None = None,
        shared_capacity: CapacityStore | None = None,
        **changes: Any,
    ) -> None:
        self.settings = settings(**{"max_sessions_per_visitor": 100} | changes)
        monotonic = monotonic or clock
        self.clock = session_clock or SessionClock(clock, monotonic, stopwatch)
        self.store = store or InMemorySessionStore(self.clock)
        client = KalturaClient(
            base_url="https://kaltura.test",
            ks_source=ConfiguredKs(SecretStr("ks")),
            transport=kaltura,
            timeout_seconds=timeout_seconds,
        )
        self.services = services or FakeServices()
        speech = services_of(
            self.settings, monotonic=monotonic, transport=self.services, hooks=hooks or []
        )
        self.voice = speech.voice
        domain = assemble(
            self.settings,
            client=client,
            store=self.store,
            lease=lease or Lease("only"),
            keyring=keyring_of(self.settings),
            services=speech,
            record=record or InMemoryAuditWriter(),
            clocks=Clocks(clock, monotonic, monotonic.sleep, monotonic.call_later),
            clock=self.clock,
            shared_capacity=shared_capacity,
        )
        self.access_control, self.admission = domain.access_control, domain.admission
        self.auditor, self.budgets, self.presence = domain.auditor, domain.budgets, domain.presence
        self.capacity, self.handover = domain.capacity, domain.handover
        self.readiness, self.reaper, self.registry = (
            domain.readiness,
            domain.reaper,
            domain.registry,
        )
        self.service, self.shutdown, self.speech = domain.service, domain.shutdown, domain.speech
        self.terminator, self.stats_reader = domain.terminator, domain.stats_reader
        self.tokens = SessionTokens(
            keyring_of(self.settings).signing(), self.clock, sealed=self.settings.sealed
        )

    async def open(self, owner: str = "visitor-1") -> SessionRuntime:
        return await self.admission.open_now(owner, SessionOptions())

    async def wait(self, owner: str) -> QueuePosition:
        """Someone who comes when every session is taken."""
        waiting = await self.admission.open(owner, SessionOptions())
        assert isinstance(waiting, QueuePosition)
        return waiting

    async def here(self, session: SessionRuntime) -> SessionRuntime:
        """The session as this process has it, whichever opened it."""
        runtime = await self.registry.find(session.session_id)
        assert runtime is not None
        return runtime

    async def now(self, session: SessionRuntime) -> AvatarSession:
        return (await self.here(session)).session

    async def grant(self, session: SessionRuntime) -> SessionGrant:
        return grant(await self.here(session))

    async def end(self, session: SessionRuntime) -> None:
        await self.service.end(grant(session))

    async def sweep(self) -> None:
        await self.reaper.sweep()
        await self.terminator.settle()

    async def say(self, session: SessionRuntime, text: str) -> Receipt:
        return await self.speech.say_text(grant(session), text, None, is_final=True)

    def issued(self, session: SessionRuntime) -> OpenedSession:
        """What the page of a session gets."""
        return self.tokens.issue(session.session)
