"""Every call of a control is on record, on every surface, and so is a session's life."""

import json
from typing import Any

import pytest

from app.audit.model import Event
from app.kaltura.contract import MIRROR_PATH, Operation
from app.sessions.auditing import REFUSED_A_MINUTE, UNSENT_CALLS_A_MINUTE
from tests.support.audit import CREATE, TOKEN, Operator, opens, path
from tests.support.doubles import FakeClock, FakeKaltura, refusal
from tests.support.mirror_api import BODIES
from tests.support.visitor_api import CONTROLS, UPSTREAM, Visit

SERVICE = {"Authorization": "Bearer a-service-token-of-ours"}


@pytest.fixture
def started() -> dict[str, Any]:
    return {"operator_token": TOKEN, "max_sessions_per_visitor": 1}


def test_every_operation_of_kalturas_is_an_event() -> None:
    assert {operation.value for operation in Operation} <= {event.value for event in Event}


async def test_a_session_and_its_life_are_on_record(
    visit: Visit, started: dict[str, Any], clock: FakeClock
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    clock.advance(61.5)
    await visitor.post(path(session, "end"))
    events = await Operator(visitor).record()
    assert [event["event"] for event in events] == [
        *("create", "init-client", "opened", "ended", "end")
    ]
    create, init_client, opened, ended, end = events
    assert {event["sessionId"] for event in events} == {session["sessionId"]}
    assert len({event["visitor"] for event in events}) == 1
    assert {event["outcome"] for event in events} == {"ok"}
    assert [e["upstreamStatus"] for e in (create, init_client, end)] == [200, 200, 200]
    assert opened["detail"] == {"surface": "api", "avatarId": "avatar-1", "voiceId": "voice-1"}
    assert ended["detail"] == {"surface": "api", "reason": "visitor", "seconds": 61.5}
    assert create["requestId"] == opened["requestId"] != end["requestId"]
    assert create["at"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("control", CONTROLS)
async def test_each_call_of_the_visitors_api_is_on_record(
    visit: Visit, started: dict[str, Any], control: str
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    answer = await visitor.post(path(session, control), **CONTROLS[control])
    event = UPSTREAM.get(control, control)
    [entry] = await Operator(visitor).record(event=event)
    assert (entry["outcome"], entry["detail"]["surface"]) == ("ok", "api")
    assert entry["requestId"] == answer.headers["X-Request-ID"]
    assert (entry["sessionId"], entry["upstreamStatus"]) == (session["sessionId"], 200)
    assert entry["durationMs"] >= 0


@pytest.mark.parametrize("operation", BODIES)
async def test_each_call_of_the_mirror_is_on_record(
    visit: Visit, started: dict[str, Any], operation: Operation
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    target = f"{MIRROR_PATH}/{session['sessionId']}/{operation}"
    bearer = {"Authorization": f"Bearer {session['token']}"}
    answer = await visitor.post(target, headers=bearer, **BODIES[operation])
    entries = await Operator(visitor).record(event=operation.value)
    assert entries[-1]["detail"]["surface"] == "mirror"
    assert entries[-1]["requestId"] == answer.headers["X-Request-ID"]


async def test_a_service_is_named(visit: Visit, started: dict[str, Any]) -> None:
    service = await visit(**started, service_tokens="shop:a-service-token-of-ours")
    session = await opens(service, headers=SERVICE)
    await service.post(path(session, "speak"), json={"text": "Hello"}, headers=SERVICE)
    [said] = await Operator(service).record(event="say-text")
    assert (said["visitor"], said["detail"]["service"]) == ("service:shop", "shop")


async def test_the_words_and_their_turn_are_kept(visit: Visit, started: dict[str, Any]) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    said = {"text": ' "Grüße", she said. 🦉 ', "turnId": "turn-7", "isFinal": False}
    await visitor.post(path(session, "speak"), json=said)
    [entry] = await Operator(visitor).record(event="say-text")
    assert entry["detail"] == {
        "text": '"Grüße", she said. 🦉',
        "surface": "api",
        "turnId": "turn-7",
        "isFinal": False,
    }


async def test_of_words_a_keyed_hash_may_be_kept_or_nothing(
    visit: Visit, started: dict[str, Any]
) -> None:
    visitor = await visit(**started, audit_text="hash")
    session = await opens(visitor)
    for text in ("secret words", "secret words", "other words"):
        await visitor.post(path(session, "speak"), json={"text": text})
    first, same, other = await Operator(visitor).record(event="say-text")
    assert first["detail"]["textHash"] == same["detail"]["textHash"] != other["detail"]["textHash"]
    assert (len(first["detail"]["textHash"]), first["detail"]["textLength"]) == (64, 12)
    assert "secret" not in json.dumps(await Operator(visitor).page())


async def test_words_may_not_be_kept_at_all(visit: Visit, started: dict[str, Any]) -> None:
    visitor = await visit(**started, audit_text="none")
    session = await opens(visitor)
    await visitor.post(path(session, "speak"), json={"text": "secret words"})
    [entry] = await Operator(visitor).record(event="say-text")
    assert not {"text", "textHash", "textLength"} & entry["detail"].keys()


async def test_what_kaltura_refuses_is_on_record_with_its_status(
    visit: Visit, started: dict[str, Any], kaltura: FakeKaltura
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    kaltura.will("say-text", refusal(500))
    await visitor.post(path(session, "speak"), json={"text": "Hello"})
    [entry] = await Operator(visitor).record(event="say-text")
    assert (entry["outcome"], entry["upstreamStatus"]) == ("kaltura-error", 500)


async def test_what_the_broker_refuses_is_on_record_too(
    visit: Visit, started: dict[str, Any], kaltura: FakeKaltura
) -> None:
    visitor = await visit(**started, visitor_controls="speak,end", speak_rate_limit="2/hour")
    session = await opens(visitor)
    await visitor.post(path(session, "interrupt"))
    for text in ("x" * 1001, "Hello", "Hello"):
        await visitor.post(path(session, "speak"), json={"text": text})
    await visitor.post(path(session, "end"))
    await visitor.post(path(session, "keep-alive"))
    events = await Operator(visitor).record(sessionId=session["sessionId"])
    assert [(e["event"], e["outcome"]) for e in events[3:]] == [
        ("interrupt", "control-not-allowed"),
        ("say-text", "invalid-request"),
        ("say-text", "ok"),
        ("say-text", "rate-limited"),
        ("ended", "ok"),
        ("end", "ok"),
        ("keep-alive", "session-ended"),
    ]
    assert events[4]["detail"]["why"] == "text: 1001 characters; at most 1000 can be said at once."
    assert events[3]["upstreamStatus"] is None


async def test_whoever_gets_no_session_is_on_record_with_the_reason(
    visit: Visit, started: dict[str, Any], kaltura: FakeKaltura
) -> None:
    visitor = await visit(**started)
    await opens(visitor)
    await visitor.post(CREATE)
    await visitor.post(CREATE, json={"avatarId": "not-offered"})
    refused = await Operator(visitor).record(event="refused")
    assert [(e["outcome"], e["detail"]["reason"]) for e in refused] == [
        ("too-many-sessions", "too-many-sessions"),
        ("control-not-allowed", "control-not-allowed"),
    ]
    assert refused[1]["detail"]["avatarId"] == "not-offered"
    assert refused[0]["visitor"] == (await Operator(visitor).record(event="opened"))[0]["visitor"]


async def test_a_session_that_kaltura_does_not_open_is_a_call_and_a_refusal(
    visit: Visit, started: dict[str, Any], kaltura: FakeKaltura
) -> None:
    visitor = await visit(**started)
    kaltura.will("create", refusal(500))
    await visitor.post(CREATE)
    create, refused = await Operator(visitor).record()
    assert (create["event"], create["outcome"], create["upstreamStatus"]) == (
        *("create", "kaltura-error"),
        500,
    )
    assert (refused["event"], refused["detail"]["reason"]) == ("refused", "kaltura-error")


async def test_calls_that_cost_nothing_do_not_fill_the_disk(
    visit: Visit, started: dict[str, Any], clock: FakeClock
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    await visitor.post(path(session, "keep-alive"))
    for _ in range(UNSENT_CALLS_A_MINUTE + 5):
        await visitor.post(path(session, "keep-alive"))
    assert len(await Operator(visitor).record(event="keep-alive")) == 1 + UNSENT_CALLS_A_MINUTE
    clock.advance(60)
    for _ in range(2):
        await visitor.post(path(session, "keep-alive"))
    latest = (await Operator(visitor).record(event="keep-alive"))[-1]
    assert latest["detail"]["leftOut"] == 5


async def test_refusals_do_not_fill_the_disk_either(
    visit: Visit, started: dict[str, Any], clock: FakeClock
) -> None:
    visitor, stranger = await visit(**started, create_rate_limit="30/hour"), await visit()
    await opens(visitor)
    for _ in range(28):
        await visitor.post(CREATE)
    for _ in range(9):
        stranger.cookies.clear()
        await stranger.post(CREATE)
    outcomes = [e["outcome"] for e in await Operator(visitor).record(event="refused")]
    assert outcomes.count("too-many-sessions") == REFUSED_A_MINUTE
    assert outcomes.count("rate-limited") == 1


async def test_the_record_of_a_session_that_the_broker_ends_says_why(
    visit: Visit, started: dict[str, Any], clock: FakeClock
) -> None:
    visitor = await visit(**started)
    session = await opens(visitor)
    clock.advance(901)
    await visitor.get(path(session, "media"))
    [ended] = await Operator(visitor).record(event="ended")
    assert (ended["detail"]["reason"], ended["detail"]["seconds"]) == ("expired", 901)


async def test_the_name_that_a_login_has_for_a_visitor_is_on_record_and_finds_them(
    visit: Visit, started: dict[str, Any]
) -> None:
    proxied = {"auth_mode": "header", "auth_header": "X-User", "trusted_proxies": "127.0.0.1"}
    visitor = await visit(**started, **proxied)
    await opens(visitor, headers={"X-User": "ada@example.com"})
    [opened] = await Operator(visitor).record(event="opened")
    assert opened["detail"]["visitorName"] == "ada@example.com"
    assert await Operator(visitor).kinds(visitor="ada@example.com") == [
        *("create", "init-client", "opened")
    ]
    assert await Operator(visitor).kinds(visitor="eve@example.com") == []
