"""The domain without the web around it."""

from typing import Any

from pydantic import SecretStr

from app.audit.writer import AuditWriter
from app.kaltura.client import KalturaClient
from app.kaltura.credentials import ConfiguredKs
from app.sessions.access import EVERY_CONTROL, SessionGrant
from app.sessions.admission.capacity import QueuePosition
from app.sessions.assembly import assemble
from app.sessions.clock import SessionClock
from app.sessions.keyring import keyring_of
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.speech.assembly import services_of
from app.sessions.speech.text.moderation import Hook
from app.sessions.speech.utterances import Receipt
from app.sessions.store.memory import InMemorySessionStore, SessionStore
from app.sessions.store.model import AvatarSession
from app.sessions.tokens import Clock
from tests.support.doubles import (
    FakeClock,
    FakeKaltura,
    FakeServices,
    InMemoryAuditWriter,
    settings,
)


def grant(session: AvatarSession) -> SessionGrant:
    """The session in the hands of someone who may do everything."""
    return SessionGrant(session, EVERY_CONTROL)


class Domain:
    """A broker with everything around it in the test's hands."""

    def __init__(
        self,
        kaltura: FakeKaltura,
        clock: FakeClock,
        sessions: SessionStore | None = None,
        services: FakeServices | None = None,
        hooks: list[Hook] | None = None,
        record: AuditWriter | None = None,
        timeout_seconds: float = 5,
        monotonic: FakeClock | None = None,
        stopwatch: Clock = lambda: 0.0,
        **changes: Any,
    ) -> None:
        self.settings = settings(**{"max_sessions_per_visitor": 100} | changes)
        monotonic = monotonic or clock
        self.clock = SessionClock(clock, monotonic, stopwatch)
        self.sessions = sessions or InMemorySessionStore(self.clock)
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
            sessions=self.sessions,
            keyring=keyring_of(self.settings),
            speech=speech,
            record=record or InMemoryAuditWriter(),
            clock=self.clock,
            monotonic=monotonic,
            sleep=monotonic.sleep,
        )
        self.admission, self.broker, self.terminator = (
            domain.admission,
            domain.broker,
            domain.terminator,
        )
        self.reaper, self.readiness = domain.reaper, domain.readiness
        self.auditor = domain.auditor

    async def open(self, owner: str = "visitor-1") -> AvatarSession:
        return (await self.admission.open_now(owner, SessionOptions())).session

    async def wait(self, owner: str) -> QueuePosition:
        """Someone who comes when every session is taken."""
        waiting = await self.admission.open(owner, SessionOptions())
        assert isinstance(waiting, QueuePosition)
        return waiting

    async def end(self, session: AvatarSession) -> None:
        await self.broker.end(grant(session))

    async def now(self, session: AvatarSession) -> AvatarSession:
        current = await self.sessions.get(session.session_id)
        assert current is not None
        return current

    async def sweep(self) -> None:
        await self.reaper.sweep()
        await self.terminator.settle()

    async def say(self, session: AvatarSession, text: str) -> Receipt:
        return await self.broker.say_text(grant(session), text, None, is_final=True)
