"""The domain without the web around it."""

from typing import Any

from pydantic import SecretStr

from app.audit.record import Record
from app.kaltura.client import KalturaClient
from app.kaltura.credentials import ConfiguredKs
from app.sessions.assembly import assemble
from app.sessions.clock import SessionClock
from app.sessions.keyring import keyring_of
from app.sessions.live import AvatarSession, LiveSessions, SessionsInProcess
from app.sessions.ownership import EVERY_CONTROL, Held
from app.sessions.places import Waiting
from app.sessions.speaking.assembly import services_of
from app.sessions.speaking.hook import Hook
from app.sessions.speaking.utterances import Receipt
from app.sessions.tokens import Clock
from app.sessions.wishes import Wish
from tests.doubles import FakeClock, FakeKaltura, FakeServices, RecordInMemory, settings


def held(session: AvatarSession) -> Held:
    """The session in the hands of someone who may do everything."""
    return Held(session, EVERY_CONTROL)


class House:
    """A broker with everything around it in the test's hands."""

    def __init__(
        self,
        kaltura: FakeKaltura,
        clock: FakeClock,
        sessions: LiveSessions | None = None,
        services: FakeServices | None = None,
        hooks: list[Hook] | None = None,
        record: Record | None = None,
        timeout_seconds: float = 5,
        monotonic: FakeClock | None = None,
        stopwatch: Clock = lambda: 0.0,
        **changes: Any,
    ) -> None:
        self.settings = settings(**{"max_sessions_per_visitor": 100} | changes)
        monotonic = monotonic or clock
        self.clock = SessionClock(clock, monotonic, stopwatch)
        self.sessions = sessions or SessionsInProcess(self.clock)
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
            record=record or RecordInMemory(),
            clock=self.clock,
            monotonic=monotonic,
            sleep=monotonic.sleep,
        )
        self.reception, self.broker, self.ender = domain.reception, domain.broker, domain.ender
        self.reaper, self.readiness = domain.reaper, domain.readiness
        self.chronicle = domain.chronicle

    async def open(self, owner: str = "visitor-1") -> AvatarSession:
        return (await self.reception.open_now(owner, Wish())).session

    async def wait(self, owner: str) -> Waiting:
        """Someone who comes when every session is taken."""
        waiting = await self.reception.open(owner, Wish())
        assert isinstance(waiting, Waiting)
        return waiting

    async def end(self, session: AvatarSession) -> None:
        await self.broker.end(held(session))

    async def now(self, session: AvatarSession) -> AvatarSession:
        current = await self.sessions.get(session.session_id)
        assert current is not None
        return current

    async def sweep(self) -> None:
        await self.reaper.sweep()
        await self.ender.settle()

    async def say(self, session: AvatarSession, text: str) -> Receipt:
        return await self.broker.say_text(held(session), text, None, is_final=True)
