"""No call and no sweep costs more, the more sessions are open."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit, TurnId
from app.problems import SessionNotFound, Unauthenticated
from app.sessions.access import SERVICE, Caller
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import AvatarSession
from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.sessions import Domain, grant
from tests.support.steps import steps_of

FEW, MANY = 10, 1000

LENGTHS = (10.0, 50.0, 120.0)
"""How long the sessions lasted that ended lately, in seconds."""


class Crowd(Domain):
    """A broker with so many sessions; their ages are spread over the same time."""

    def __init__(
        self, count: int, free: int = MANY, owner: str | None = None, **changes: Any
    ) -> None:
        clock, self.owner = FakeClock(), owner
        super().__init__(FakeKaltura(), clock, max_concurrent_sessions=count + free, **changes)
        begin = clock.now
        for number in range(count):
            clock.now = begin + 50 * number / count
            self.registry.add(self.one_more(number))
        self.first = self.registry.runtimes()[0]
        self.fake_clock = clock

    def one_more(self, number: int) -> AvatarSession:
        access = SessionAccess(f"id-{number:06}", SecretStr(f"token-{number:06}"))
        return AvatarSession(
            access=access,
            owner=self.owner or f"visitor-{number:06}",
            address=f"2001:db8:{number:x}::/56",
            opened_at=self.clock(),
            expires_at=self.clock() + 900,
            token_expires_at=self.clock() + 86_400,
            seen_at=self.clock.running(),
            ready=True,
            delivered=True,
            media=ClientInit(whep_url="https://media.kaltura.ai/whep/session/", turn=None),
        )

    async def learn_lengths(self) -> None:
        for number, length in enumerate(LENGTHS, MANY):
            runtime = self.registry.add(self.one_more(number))
            assert runtime is not None
            self.fake_clock.now += length
            await self.end(runtime)
            self.fake_clock.now -= length

    async def cannot(self, token: str, problem: type[Exception]) -> None:
        with pytest.raises(problem):
            await self.access_control.find(Caller(token=token), self.first.session_id)


async def in_line(crowd: Crowd) -> None:
    await crowd.learn_lengths()
    await crowd.wait("waits")


async def nothing(_: Crowd) -> None:
    pass


async def swept(crowd: Crowd) -> None:
    await crowd.sweep()


async def one_left(crowd: Crowd) -> None:
    await crowd.presence.leave(crowd.first)
    crowd.fake_clock.now += 3


async def poll(crowd: Crowd) -> None:
    waiting = await crowd.wait("waits")
    await crowd.admission.place(waiting.ticket_id, 0)


async def owned(crowd: Crowd) -> None:
    assert crowd.service.owned_by(crowd.first.session.owner) == [crowd.first.session]


async def unwatched(crowd: Crowd) -> None:
    crowd.fake_clock.now -= 30
    assert crowd.service.unwatched() == []


async def open_one(crowd: Crowd) -> None:
    opened = await crowd.admission.open("new", SessionOptions(), "key", address="192.0.2.1")
    assert isinstance(opened, SessionRuntime)


async def say(crowd: Crowd) -> None:
    await crowd.speech.say_text(grant(crowd.first), "Hi.", TurnId("turn-1"), is_final=True)


BUDGETS = {"daily_minutes": 10_000, "daily_minutes_per_visitor": 100}
DIRECT = {"avatar_token_mode": "direct"}

Step = Callable[[Crowd], Awaitable[object]]

CALLS: dict[str, tuple[dict[str, Any], Step, Step]] = {
    "keep-alive": ({}, nothing, lambda crowd: crowd.service.keep_alive(grant(crowd.first))),
    "speak": ({}, nothing, say),
    "state": (BUDGETS, nothing, lambda crowd: crowd.budgets.seconds_left(crowd.first.session)),
    "list": ({}, nothing, owned),
    "resume": ({}, nothing, lambda crowd: crowd.presence.resume(crowd.first)),
    "end": ({}, nothing, lambda crowd: crowd.end(crowd.first)),
    "create": (BUDGETS, nothing, open_one),
    "wait": ({"free": 0}, in_line, lambda crowd: crowd.wait("another")),
    "poll": ({"free": 0}, in_line, poll),
    "sweep": ({}, swept, swept),
    "sweep with budgets": (BUDGETS, swept, swept),
    "sweep of a service's": (BUDGETS | {"owner": f"{SERVICE}shop"}, swept, swept),
    "sweep that ends one": ({}, one_left, swept),
    "take over": ({}, nothing, lambda crowd: crowd.registry.take_over()),
    "unwatched, which each renewal of a lease tells": ({}, nothing, unwatched),
    "stats": ({}, nothing, lambda crowd: crowd.stats_reader.stats()),
    "wrong token": (DIRECT, nothing, lambda crowd: crowd.cannot("no token", Unauthenticated)),
    "another's token": (
        DIRECT,
        nothing,
        lambda crowd: crowd.cannot("token-000009", SessionNotFound),
    ),
}
"""What is counted, by name: settings, what comes before, and the call itself."""


@pytest.mark.parametrize("name", CALLS)
async def test_it_takes_as_many_steps_among_many_sessions_as_among_few(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, before, call = CALLS[name]
    steps = []
    for count in (FEW, FEW, MANY):  # the first fills the caches that libraries have
        crowd = Crowd(count, **changes)
        await before(crowd)
        monkeypatch.setattr(crowd.registry, "runtimes", None)  # a copy of all takes one step
        steps.append(await steps_of(lambda crowd=crowd: call(crowd)))  # type: ignore[misc] # mypy takes its default for an argument
        monkeypatch.undo()
        await crowd.speech.settle()
    assert steps[1] == steps[2]
