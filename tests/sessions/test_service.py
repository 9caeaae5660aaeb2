"""The domain's promises: order, ends, places, what a lost answer may cost."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.identity.visitor import Visitor
from app.kaltura.client import SessionAccess
from app.problems import (
    AtCapacity,
    KalturaFailed,
    KalturaTimeout,
    Problem,
    QueueFull,
    SessionEnded,
    SessionNotFound,
    TooManySessions,
    Unauthenticated,
)
from app.sessions import registry
from app.sessions.access import Caller
from app.sessions.capacity.budgets import DAY_SECONDS
from app.sessions.lifecycle import shutdown
from app.sessions.lifecycle.options import SessionOptions
from app.sessions.lifecycle.termination import MAX_PAUSE_SECONDS
from app.sessions.readiness import MEMORY_SECONDS
from app.sessions.runtime import MAX_WAITING_CALLS, SessionRuntime
from app.sessions.service import KEEP_ALIVE_SECONDS
from app.sessions.store.model import EndReason
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settled
from tests.support.sessions import Domain, grant


@pytest.fixture
def house(kaltura: FakeKaltura, clock: FakeClock) -> Domain:
    return Domain(kaltura, clock)


async def test_opening_is_one_create_and_one_init_client(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    assert kaltura.operations() == ["create", "init-client"]
    for _ in range(3):
        await house.service.media(grant(session))
    assert kaltura.operations().count("init-client") == 1


async def test_in_direct_mode_the_page_calls_init_client_so_the_broker_does_not(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    opened = await Domain(kaltura, clock, avatar_token_mode="direct").admission.open_now(
        "v", SessionOptions()
    )
    assert kaltura.operations() == ["create"]
    assert opened.session.access.token.get_secret_value() == kaltura.token


@pytest.mark.parametrize(
    "lost", [httpx.ReadError(""), refusal(500), refusal(503), httpx.Response(200, text="?")]
)
async def test_a_create_that_failed_is_not_repeated_and_frees_its_place(
    kaltura: FakeKaltura, clock: FakeClock, lost: Any
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1)
    kaltura.will("create", lost)
    with pytest.raises(KalturaFailed):
        await house.open()
    assert kaltura.operations() == ["create"]
    await house.open()


@pytest.mark.parametrize("failure", [refusal(404), refusal(500), httpx.ReadError("")])
async def test_a_session_whose_init_client_failed_is_ended(
    house: Domain, kaltura: FakeKaltura, failure: Any
) -> None:
    kaltura.will("init-client", failure)
    with pytest.raises(KalturaFailed):
        await house.open()
    assert kaltura.operations() == ["create", "init-client", "end"]
    assert house.registry.sessions() == []


async def test_a_media_address_no_browser_must_be_sent_to_ends_the_session(
    house: Domain, kaltura: FakeKaltura
) -> None:
    kaltura.whep_url = "https://169.254.169.254/whep"
    with pytest.raises(KalturaFailed):
        await house.open()
    assert kaltura.operations()[-1] == "end"


async def test_a_second_session_of_the_same_id_is_refused_and_the_first_lives_on(
    house: Domain, kaltura: FakeKaltura
) -> None:
    first = await house.open("visitor-1")
    kaltura.opened = 0
    with pytest.raises(KalturaFailed):
        await house.open("visitor-2")
    assert "end" not in kaltura.operations()
    assert (await house.now(first)).owner == "visitor-1"


async def test_an_old_token_does_not_open_a_session_that_got_its_id_anew(
    house: Domain, kaltura: FakeKaltura
) -> None:
    old = await house.admission.open_now("visitor-1", SessionOptions())
    old_token = house.issued(old).token
    await house.service.end(grant(old))
    kaltura.opened = 0
    new = await house.admission.open_now("visitor-2", SessionOptions())
    assert new.session.session_id == old.session.session_id
    with pytest.raises(SessionNotFound):
        await house.access_control.find(Caller(token=old_token.get_secret_value()), "session-1")
    found = await house.access_control.find(
        Caller(token=house.issued(new).token.get_secret_value()), "session-1"
    )
    assert found.session.owner == "visitor-2"


async def test_a_caller_who_gives_up_leaves_no_unknown_session(
    house: Domain, kaltura: FakeKaltura
) -> None:
    gate = Gate(httpx.Response(200, json={"sessionId": "late", "token": "t"}))
    kaltura.will("create", gate)
    opening = asyncio.create_task(house.open())
    await gate.reached.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    gate.open.set()
    await house.shutdown.close()
    assert kaltura.calls[-1].operation == "end"
    assert kaltura.calls[-1].session_id == "late"


@pytest.mark.parametrize("mode", ["sealed", "direct"])
async def test_a_session_that_kaltura_opens_too_late_for_its_visitor_is_ended(
    kaltura: FakeKaltura, clock: FakeClock, mode: str
) -> None:
    house = Domain(kaltura, clock, timeout_seconds=0.01, avatar_token_mode=mode)
    kaltura.will("create", gate := Gate(httpx.Response(200, json={"sessionId": "l", "token": "t"})))
    with pytest.raises(KalturaTimeout):
        await house.open()
    gate.open.set()
    async with asyncio.timeout(10):
        while "end" not in kaltura.operations() or house.registry.sessions():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.001)
    late = await house.registry.find("l")
    assert late is not None
    assert (late.session.ended, late.session.ready) == (EndReason.FAILED, False)
    assert kaltura.operations() == ["create", "end"]


async def test_a_create_that_timed_out_keeps_its_place_until_it_is_known_what_came_of_it(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    one_each: dict[str, Any] = {"max_concurrent_sessions": 2, "max_sessions_per_visitor": 1}
    house = Domain(kaltura, clock, timeout_seconds=0.2, **one_each)
    opened = Gate(httpx.Response(200, json={"sessionId": "l", "token": "t"}))
    refused, ended = Gate(refusal(500)), Gate()
    kaltura.will("create", opened, refused)
    kaltura.will("end", ended)
    for _ in range(2):
        with pytest.raises(KalturaTimeout):
            await house.open("a")
    assert (await house.wait("b")).position == 1
    assert (await house.wait("a")).position == 2, "not as one who has too many sessions"
    opened.open.set()
    await ended.reached.wait()
    assert (await house.wait("b")).turn_seconds_left is None, "it is still open at Kaltura"
    refused.open.set()
    await settled()
    assert isinstance(await house.admission.open("b", SessionOptions()), SessionRuntime)
    assert (await house.wait("a")).turn_seconds_left is None
    ended.open.set()
    await settled()
    assert isinstance(await house.admission.open("a", SessionOptions()), SessionRuntime)


@pytest.mark.parametrize("mode", ["end", "keep"])
async def test_closing_ends_what_was_given_up_and_is_opened_after_all(
    kaltura: FakeKaltura, clock: FakeClock, mode: str
) -> None:
    changes: dict[str, Any] = {
        "shutdown_sessions": mode,
        "database_url": "sqlite+aiosqlite:///unused.db",
    }
    house = Domain(kaltura, clock, timeout_seconds=0.01, **changes)
    kaltura.will("create", gate := Gate(httpx.Response(200, json={"sessionId": "l", "token": "t"})))
    kaltura.will("end", refusal(500), refusal(500))
    with pytest.raises(KalturaTimeout):
        await house.open()
    closing = asyncio.create_task(house.shutdown.close())
    await settled()
    assert not closing.done()
    assert house.shutdown.left() == ([], 1)
    gate.open.set()
    await closing
    assert kaltura.operations() == ["create", "end", "end", "end"]
    assert house.shutdown.left() == ([], 0)


async def test_calls_of_one_session_reach_kaltura_in_the_order_they_came(
    house: Domain, kaltura: FakeKaltura
) -> None:
    session = await house.open()
    gate = Gate()
    kaltura.will("say-text", gate)
    first = asyncio.create_task(house.say(session, "0"))
    await gate.reached.wait()
    rest = [asyncio.create_task(house.say(session, str(n))) for n in range(1, 6)]
    await settled()
    assert [c.body["text"] for c in kaltura.calls if c.operation == "say-text"] == ["0"]
    gate.open.set()
    await asyncio.gather(first, *rest)
    await settled()
    await house.speech.interrupt(grant(session))
    said = [c.body["text"] for c in kaltura.calls if c.operation == "say-text"]
    assert said == ["0", "1", "2", "3", "4", "5"]
    assert kaltura.operations()[-1] == "interrupt"


async def test_one_slow_session_does_not_hold_up_another(
    house: Domain, kaltura: FakeKaltura
) -> None:
    slow, quick = await house.open("a"), await house.open("b")
    gate = Gate()
    kaltura.will("say-text", gate)
    waiting = asyncio.create_task(house.say(slow, "slow"))
    await gate.reached.wait()
    await house.say(quick, "quick")
    gate.open.set()
    await waiting


async def test_the_calls_that_wait_are_bounded_but_end_always_gets_through(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    gate = Gate()
    kaltura.will("keep-alive", gate)
    clock.advance(KEEP_ALIVE_SECONDS)
    first = asyncio.create_task(house.service.keep_alive(grant(session)))
    await gate.reached.wait()
    waiting = [
        asyncio.create_task(house.speech.interrupt(grant(session)))
        for _ in range(MAX_WAITING_CALLS)
    ]
    await settled()
    with pytest.raises(QueueFull) as full:
        await house.speech.interrupt(grant(session))
    assert full.value.retry_after
    ending = asyncio.create_task(house.service.end(grant(session)))
    await settled()
    gate.open.set()
    await asyncio.gather(first, ending)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, SessionEnded) for outcome in outcomes)
    assert kaltura.operations() == ["create", "init-client", "keep-alive", "end"]


async def test_a_call_that_is_given_up_while_it_waits_leaves_its_place_to_others(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    gate = Gate()
    kaltura.will("keep-alive", gate)
    clock.advance(KEEP_ALIVE_SECONDS)
    first = asyncio.create_task(house.service.keep_alive(grant(session)))
    await gate.reached.wait()
    for _ in range(2):
        waiting = [
            asyncio.create_task(house.speech.interrupt(grant(session)))
            for _ in range(MAX_WAITING_CALLS)
        ]
        await settled()
        assert not any(call.done() for call in waiting), "there was room for each"
        for call in waiting:
            call.cancel()
        await asyncio.wait(waiting)
    gate.open.set()
    await first


async def test_the_memory_of_sessions_that_are_over_is_bounded(
    house: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_ENDED", 2)
    sessions = [await house.open() for _ in range(5)]
    for session in sessions:
        await house.end(session)
    known = [await house.registry.find(session.session_id) for session in sessions]
    assert [session is not None for session in known] == [False] * 3 + [True] * 2


async def test_what_was_said_in_the_latest_ended_sessions_is_known_and_no_more(
    house: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_ENDED_SPEECH", 2)
    sessions = [await house.open() for _ in range(4)]
    for session in sessions:
        await house.say(session, "Hello.")
        await house.end(session)
    assert house.registry.lately_ended() == sessions[2:]
    assert [session.speech is not None for session in sessions] == [False, False, True, True]


async def test_ending_twice_reaches_kaltura_once(house: Domain, kaltura: FakeKaltura) -> None:
    session = await house.open()
    await asyncio.gather(*(house.service.end(grant(session)) for _ in range(3)))
    assert kaltura.operations().count("end") == 1


@pytest.mark.parametrize("status", [401, 404, 410])
async def test_a_session_that_kaltura_says_is_gone_is_ended_here_and_there_to_be_sure(
    house: Domain, kaltura: FakeKaltura, status: int
) -> None:
    session = await house.open()
    kaltura.will("say-text", refusal(status))
    with pytest.raises(SessionEnded):
        await house.say(session, "hello")
    assert (await house.now(session)).ended == EndReason.GONE
    await house.sweep()
    assert kaltura.operations()[-2:] == ["say-text", "end"]
    assert house.registry.sessions() == []


async def test_an_end_that_kaltura_refused_is_tried_again_until_it_agrees(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    kaltura.will("end", *[refusal(500)] * 3)
    with pytest.raises(Problem):
        await house.service.end(grant(session))
    for _ in range(3):
        await house.sweep()  # too early: nothing more is sent
    assert kaltura.operations().count("end") == 1
    for _ in range(4):
        clock.advance(60)
        await house.sweep()
    assert kaltura.operations().count("end") == 4
    assert house.registry.sessions() == []


async def test_an_end_is_given_up_only_when_the_sessions_token_has_expired(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    kaltura.will("end", *[refusal(500)] * 3)
    with pytest.raises(Problem):
        await house.service.end(grant(session))
    clock.advance(23 * 3600)
    await house.sweep()
    assert len(house.registry.sessions()) == 1
    clock.advance(3600)
    await house.sweep()
    assert house.registry.sessions() == []


async def test_an_idle_session_is_ended_and_a_watched_one_is_not(
    house: Domain, clock: FakeClock
) -> None:
    idle, watched = await house.open("idle"), await house.open("watched")
    for _ in range(9):
        clock.advance(10)
        await house.service.keep_alive(await house.grant(watched))
        await house.sweep()
    assert (await house.now(idle)).ended == EndReason.IDLE
    assert (await house.now(watched)).ended is None


async def test_a_hidden_tab_whose_timers_run_once_a_minute_is_not_idle(
    house: Domain, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(10):
        clock.advance(60 + 15)  # Chromium's pace for tabs long hidden, and the page's patience
        await house.sweep()
        await house.service.keep_alive(await house.grant(session))
    assert (await house.now(session)).ended is None


async def test_a_watched_session_ends_at_its_absolute_limit(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(90):
        clock.advance(10)
        await house.sweep()
        if session.session.ended is None:
            await house.service.keep_alive(grant(session))
    assert (await house.now(session)).ended == EndReason.EXPIRED
    assert clock.now == session.session.expires_at
    assert kaltura.operations().count("end") == 1


async def test_a_keep_alive_that_comes_a_little_early_is_passed_on(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for early in (0.0, 0.3, -0.1):
        clock.advance(10 - early)
        await house.service.keep_alive(await house.grant(session))
    assert kaltura.operations().count("keep-alive") == 3


async def test_keep_alives_are_merged_to_one_in_eight_seconds(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await house.open()
    for _ in range(20):
        await house.service.keep_alive(await house.grant(session))
        clock.advance(2)
    assert kaltura.operations().count("keep-alive") == 5


async def test_places_are_reserved_before_kaltura_is_asked(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=5)
    rush = [house.open(f"visitor-{n}") for n in range(30)]
    outcomes = await asyncio.gather(*rush, return_exceptions=True)
    assert sum(isinstance(o, SessionRuntime) for o in outcomes) == 5
    assert sum(isinstance(o, AtCapacity) for o in outcomes) == 25
    assert kaltura.operations().count("create") == 5


async def test_one_visitor_cannot_take_every_place(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, max_sessions_per_visitor=1)
    rush = [house.open("visitor-1") for _ in range(5)]
    outcomes = await asyncio.gather(*rush, return_exceptions=True)
    assert sum(isinstance(o, TooManySessions) for o in outcomes) == 4
    await house.open("visitor-2")


async def test_an_ended_session_gives_its_place_to_the_next(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, max_concurrent_sessions=1)
    session = await house.open()
    with pytest.raises(AtCapacity):
        await house.open("visitor-2")
    await house.service.end(grant(session))
    await house.open("visitor-2")


async def test_one_end_that_hangs_holds_up_no_other(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    await house.open("a")
    quick = await house.open("b")
    gate = Gate()
    kaltura.will("end", gate)
    clock.advance(90)
    await house.reaper.sweep()
    await gate.reached.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (await house.now(quick)).ended_upstream
    gate.open.set()
    await house.terminator.settle()
    assert house.registry.sessions() == []


async def test_closing_tries_again_what_was_refused_and_waits_for_what_is_being_opened(
    house: Domain, kaltura: FakeKaltura
) -> None:
    await house.open("a")
    gate = Gate(httpx.Response(200, json={"sessionId": "late", "token": "t"}))
    kaltura.will("create", gate)
    kaltura.will("end", *[refusal(500)] * 2)
    opening = asyncio.create_task(house.open("b"))
    await gate.reached.wait()
    closing = asyncio.create_task(house.shutdown.close())
    while kaltura.operations().count("end") < 3:  # noqa: ASYNC110 - closing is what we wait for
        await asyncio.sleep(0.01)
    assert (house.registry.sessions()) == [], "it does not wait for the other to be opened"
    gate.open.set()
    await closing
    await asyncio.gather(opening, return_exceptions=True)
    assert kaltura.calls[-1].session_id == "late"
    assert kaltura.calls[-1].operation == "end"


async def test_a_session_is_nobodys_before_it_is_ready(house: Domain, kaltura: FakeKaltura) -> None:
    gate = Gate(httpx.Response(200, json={"success": True, "whepUrl": kaltura.whep_url}))
    kaltura.will("init-client", gate)
    opening = asyncio.create_task(house.open("visitor-1"))
    await gate.reached.wait()
    assert house.service.owned_by("visitor-1") == []
    with pytest.raises(SessionNotFound):
        await house.access_control.find(Caller(visitor=Visitor("visitor-1")), "session-1")
    gate.open.set()
    session = await opening
    assert house.service.owned_by("visitor-1") == [session.session]


async def test_in_direct_mode_a_page_that_never_calls_the_broker_is_not_idle(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, avatar_token_mode="direct")
    silent, heard = await house.open("silent"), await house.open("heard")
    await house.service.keep_alive(grant(heard))
    clock.advance(899)
    await house.sweep()
    assert (await house.now(silent)).ended is None
    assert (await house.now(heard)).ended == EndReason.IDLE
    clock.advance(1)
    await house.sweep()
    assert (await house.now(silent)).ended == EndReason.EXPIRED


@pytest.mark.parametrize("exp", ["1" + "0" * 400, "1e400", "-1", '"x"', "[]", "null", "true"])
async def test_a_token_with_a_mad_expiry_is_like_one_without(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock, exp: str
) -> None:
    payload = base64.urlsafe_b64encode(f'{{"exp": {exp}}}'.encode()).decode()
    kaltura.token = f"e30.{payload}.sig"
    assert (await house.open()).session.expires_at == clock.now + 900


async def test_closing_ends_every_session(house: Domain, kaltura: FakeKaltura) -> None:
    for owner in "abc":
        await house.open(owner)
    await house.shutdown.close()
    assert sorted(c.session_id or "" for c in kaltura.calls if c.operation == "end") == [
        "session-1",
        "session-2",
        "session-3",
    ]


async def test_a_session_never_outlives_kalturas_own_token(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.token = "e30.eyJleHAiOjE4MDAwMDAwNjB9.sig"
    session = await house.open()
    assert session.session.expires_at == clock.now + 60


async def test_readiness_forgets_a_failure_so_that_visitors_can_come_back(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.will("create", refusal(401))
    with pytest.raises(Problem):
        await house.open()
    assert "kaltura-credentials-rejected" in house.readiness.wrong()[0]
    clock.advance(MEMORY_SECONDS)
    assert house.readiness.wrong() == []


async def test_a_success_clears_readiness_at_once(house: Domain, kaltura: FakeKaltura) -> None:
    kaltura.will("create", refusal(500))
    with pytest.raises(Problem):
        await house.open()
    await house.open()
    assert house.readiness.wrong() == []


async def test_an_empty_token_opens_nothing(kaltura: FakeKaltura, clock: FakeClock) -> None:
    house = Domain(kaltura, clock, avatar_token_mode="direct")
    session = await house.open()
    access = SessionAccess("over", SecretStr(""))
    house.registry.add(session.session._replace(access=access, ended=EndReason.VISITOR))
    for session_id in ("over", session.session_id):
        with pytest.raises(Unauthenticated):
            await house.access_control.find(Caller(token=""), session_id)


async def test_the_first_reason_of_an_end_stays(house: Domain, kaltura: FakeKaltura) -> None:
    session = await house.open()
    kaltura.will("end", refusal(500))
    with pytest.raises(Problem):
        await house.end(session)
    await house.shutdown.close()
    assert (await house.now(session)).ended == EndReason.VISITOR


async def test_a_stop_pauses_only_when_an_end_was_refused(
    house: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "PAUSE_SECONDS", DAY_SECONDS)
    await house.open()
    async with asyncio.timeout(10):
        await house.shutdown.close()
    assert house.registry.sessions() == []


async def test_a_session_that_ends_while_its_media_is_asked_for_is_nobodys(
    house: Domain, kaltura: FakeKaltura
) -> None:
    gate = Gate(httpx.Response(200, json={"success": True, "whepUrl": kaltura.whep_url}))
    kaltura.will("init-client", gate)
    opening = asyncio.create_task(house.open())
    await gate.reached.wait()
    (runtime,) = house.registry.runtimes()
    await house.registry.mark_ended(runtime, EndReason.IDLE)
    gate.open.set()
    with pytest.raises(KalturaFailed):
        await opening
    assert kaltura.operations()[-1] == "end"


async def test_in_direct_mode_overlapping_init_clients_reach_kaltura_once(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = Domain(kaltura, clock, avatar_token_mode="direct")
    session = grant(await house.open())
    media = await asyncio.gather(*(house.service.init_client(session) for _ in range(3)))
    assert media == [media[0]] * 3
    assert kaltura.operations().count("init-client") == 1


async def test_however_often_an_end_was_refused_it_is_tried_again_within_a_minute(
    house: Domain, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    await house.open()
    # A day of a Kaltura that won't: longer than a float has room for doubled pauses.
    refusals = DAY_SECONDS // MAX_PAUSE_SECONDS - 2
    kaltura.will("end", *[refusal(500)] * refusals)
    clock.advance(90)
    for _ in range(refusals + 1):
        await house.sweep()
        clock.advance(MAX_PAUSE_SECONDS)
    assert kaltura.operations().count("end") == refusals + 1
    assert house.registry.sessions() == []
