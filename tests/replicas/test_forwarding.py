"""Calls of a session at a replica that does not have it: brokers on one Postgres, in one process.

The brokers reach each other over real connections on loopback.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Message, Receive, Scope, Send

from app.kaltura.contract import MIRROR_PATH
from app.problems import RecordUnavailable
from app.replicas.forwarded_call import VALID_SECONDS, ForwardedCall, ForwardedCallHeader
from app.replicas.lease import SESSIONS_MOVED
from app.replicas.owners import SessionOwner
from app.sessions.clock import Clocks
from app.sessions.store.repository import END_REASON_SECONDS
from app.web.middleware import forwarder
from app.web.middleware.forwarder import LOOK_SECONDS, MOST_REFUSALS, TAKE_OVER_SECONDS
from tests.support.audio import wav
from tests.support.doubles import KALTURA_TOKEN, KS, FakeClock, FakeKaltura, Gate
from tests.support.joined_brokers import JoinedBroker, JoinedBrokers
from tests.support.operators import TOKEN as OPERATOR_TOKEN
from tests.support.visitor_api import bearer, is_problem, opened, path

HEADER = "Avatar-Forwarded"
STREAM = "application/x-ndjson"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until what happens on real connections has happened."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def opened_at(broker: JoinedBroker) -> tuple[dict[str, Any], httpx.Cookies]:
    """A session that this broker owns, and the cookies of its visitor."""
    async with broker.client() as visitor:
        session = await opened(visitor)
        return session, visitor.cookies


def attempts(broker: JoinedBroker) -> dict[str, int]:
    """How often a broker has passed a call on, by outcome."""
    return {
        sample.labels["outcome"]: int(sample.value)
        for metric in counters_of(broker).collect()
        for sample in metric.samples
        if sample.name == "avatar_broker_forwards_total"
    }


def counters_of(broker: JoinedBroker) -> CollectorRegistry:
    """What one broker alone has counted."""
    registry: CollectorRegistry = broker.server.lifespan.state["metrics"]._registry
    return registry


def seen_by(broker: JoinedBroker, on_answer: Callable[[], None] = lambda: None) -> list[Scope]:
    """What reaches a broker from now on, before any middleware."""
    scopes: list[Scope] = []
    app = broker.app.build_middleware_stack()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

        async def told(message: Message) -> None:
            await send(message)
            on_answer()

        await app(scope, receive, told)

    broker.app.middleware_stack = watched
    return scopes


# Through any replica as at the owner

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "", {}),
    ("HEAD", "", {}),
    ("GET", "/media", {}),
    ("POST", "/speak", {"json": {"text": "Hello ☺"}}),
    (
        "POST",
        "/speak",
        {"content": b'{"text": "Bit by bit."}\n', "headers": {"Content-Type": STREAM}},
    ),
    ("POST", "/speak-audio", {"files": {"audio": ("a.wav", wav(1), "audio/wav")}}),
    ("POST", "/speak", {"json": {"text": 7}}),
    ("POST", "/speak", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ("GET", "/utterances", {}),
    ("POST", "/utterances/none/heard", {"json": {"state": "started"}}),
    ("POST", "/interrupt", {}),
    ("POST", "/keep-alive", {}),
    ("POST", "/leave", {}),
    ("POST", "/resume", {}),
    ("GET", "/speak", {}),
    ("GET", "/none", {}),
    ("POST", "/end", {}),
    ("POST", "/speak", {"json": {"text": "Too late"}}),
]

MIRRORED: list[tuple[str, dict[str, Any]]] = [
    ("init-client", {}),
    ("say-text", {"json": {"text": "Hello"}}),
    ("say-audio", {"files": {"audio": ("a.wav", wav(1), "audio/wav")}}),
    ("interrupt", {}),
    ("keep-alive", {}),
    ("end", {}),
    ("keep-alive", {}),
]

DIFFERENT: set[str] = {"date", "x-request-id", "ratelimit"}


def shown(answer: httpx.Response) -> Any:
    """An answer without what differs between any two."""
    headers = sorted((n, v) for n, v in answer.headers.multi_items() if n not in DIFFERENT)
    try:
        body = answer.json()
    except ValueError:
        return answer.status_code, headers, answer.content
    for name in ("turnId", "token", "requestId", "secondsLeft", "sessionId", "expiresAt"):
        body.pop(name, None)
    if "utterances" in body:
        body = len(body["utterances"])
    return answer.status_code, [one for one in headers if one[0] != "content-length"], body


async def test_a_call_at_any_replica_is_answered_as_by_the_owner(brokers: JoinedBrokers) -> None:
    settings: dict[str, Any] = {
        "operator_token": OPERATOR_TOKEN,
        "allowed_origins": ["https://app.example.com"],
    }
    owner, other = await brokers.start(**settings), await brokers.start(**settings)
    told = {}
    for broker in (owner, other):
        session, cookies = await opened_at(owner)
        mirrored, _ = await opened_at(owner)
        third, _ = await opened_at(owner)
        origin = {"Origin": "https://app.example.com"}
        host = {"Host": "page.test"}
        async with broker.client(cookies=cookies, headers=host) as visitor:
            answers = [
                await visitor.request(method, path(session) + control, **call)
                for method, control, call in CALLS
            ]
        async with broker.client() as sdk:
            answers += [
                await sdk.post(
                    f"{MIRROR_PATH}/{mirrored['sessionId']}/{operation}",
                    **{"headers": bearer(mirrored)} | call,
                )
                for operation, call in MIRRORED
            ]
            answers.append(await sdk.get(path(mirrored), headers=bearer(mirrored) | origin))
            operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
            end = f"/operator/api/sessions/{third['sessionId']}/end"
            answers.append(await sdk.post(end, headers=operator))
        told[broker] = [shown(answer) for answer in answers]
        assert all(HEADER not in answer.headers for answer in answers)
    for direct, passed_on in zip(told[owner], told[other], strict=True):
        assert passed_on == direct
    assert {status for status, *_ in told[owner]} == {200, 400, 404, 405, 410, 422}
    assert attempts(other)["answered"] > 20
    assert attempts(owner) == {}


async def test_a_stranger_gets_the_same_404_through_any_replica(brokers: JoinedBrokers) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    _, cookies = await opened_at(other)
    told = []
    for broker in (owner, other):
        for session_id in (session["sessionId"], "nobody", "%00", "%C3%A4", "a" * 200):
            async with broker.client(cookies=cookies) as stranger:
                told.append(shown(await stranger.get(f"/api/avatar-sessions/{session_id}")))
    assert [one[0] for one in told] == [404] * len(told)
    assert all(one == told[0] for one in told)


async def test_a_session_nobody_has_is_looked_for_once(
    brokers: JoinedBrokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await brokers.start(clocks=Clocks(monotonic=FakeClock(), wall=brokers.clock))
    looks = []
    read = broker.database.read

    async def counted(query: Any) -> Any:
        if "sessions.session_id = " in str(query):  # and not the lease, which looks for orphans
            looks.append(query)
        return await read(query)

    monkeypatch.setattr(broker.database, "read", counted)
    async with broker.client() as visitor:
        for _ in range(3):
            answer = await visitor.get(
                "/api/avatar-sessions/nobody", headers=bearer({"token": "a"})
            )
            assert answer.status_code == 401
        assert len(looks) == 1
        for odd in ("%00", "%0A", "..%20", "create", "a" * 129):
            await visitor.get(f"/api/avatar-sessions/{odd}")
        await visitor.post(f"{MIRROR_PATH}/create", json={})
    assert len(looks) == 2  # `create` may be an id


# Who calls, and from where


async def test_rates_count_once_and_by_the_address_of_the_client(brokers: JoinedBrokers) -> None:
    # Only the one that is asked trusts the proxy: what it has found out counts at the owner.
    owner = await brokers.start(speak_rate_limit="3/minute")
    other = await brokers.start(speak_rate_limit="3/minute", trusted_proxies=["127.0.0.1"])

    async def speak(broker: JoinedBroker, session: dict[str, Any], address: str) -> httpx.Response:
        headers = bearer(session) | {"X-Forwarded-For": f"198.51.100.1, {address}"}
        async with broker.client() as page:
            return await page.post(path(session, "speak"), json={"text": "Hi"}, headers=headers)

    sessions = [(await opened_at(owner))[0] for _ in range(3)]
    left = [
        (await speak(other, session, "203.0.113.7")).headers["RateLimit"].split(";")[1]
        for session in sessions
    ]
    assert left == ["r=2", "r=1", "r=0"]
    refused = await speak(other, sessions[0], "203.0.113.7")
    assert is_problem(refused, "rate-limited", 429)
    assert (await speak(other, sessions[0], "203.0.113.8")).status_code == 200


async def test_who_is_signed_in_by_a_proxy_is_so_at_the_owner(brokers: JoinedBrokers) -> None:
    settings: dict[str, Any] = {
        "auth_mode": "header",
        "auth_header": "X-Remote-User",
        "trusted_proxies": ["127.0.0.1"],
        "public_url": "http://127.0.0.1",
    }
    owner, other = await brokers.start(**settings), await brokers.start(**settings)
    visited = [(b"X-Forwarded-For", b"203.0.113.7"), (b"X-Forwarded-Proto", b"https")]
    zoe = [*visited, (b"X-Remote-User", "Zoë".encode())]
    mallory = [*visited, (b"X-Remote-User", b"Mallory")]
    async with owner.client() as page:
        session = (await page.post("/api/create-avatar-session", headers=zoe)).json()
    async with other.client() as page:
        assert (await page.get(path(session), headers=zoe)).status_code == 200
        stranger = await page.get(path(session), headers=mallory)
        assert is_problem(stranger, "session-not-found", 404)
        assert (await page.get(path(session))).status_code == 401


async def test_a_forged_header_changes_nothing(brokers: JoinedBrokers) -> None:
    settings: dict[str, Any] = {"speak_rate_limit": "2/minute"}
    owner, other = await brokers.start(**settings), await brokers.start(**settings)
    session, cookies = await opened_at(owner)
    guess = ForwardedCallHeader([b"guess"], brokers.clock)
    statuses = []
    for number, broker in enumerate((owner, other, owner, other)):
        told = ForwardedCall((f"203.0.113.{number}", 1), "https", ("somebody", None))
        line = f"POST {path(session, 'speak')}".encode()
        headers = {HEADER: guess.sign(told, target=owner.name, request=line).decode()}
        async with broker.client(cookies=cookies) as visitor:
            speak = path(session, "speak")
            answer = await visitor.post(speak, json={"text": "Hello"}, headers=headers)
        statuses.append(answer.status_code)
        assert HEADER not in answer.headers
    assert statuses == [200, 200, 429, 429]


@pytest.mark.parametrize("what", ["old", "for another", "not its session", "twice"])
async def test_what_a_replica_has_signed_opens_nothing_elsewhere_or_later(
    brokers: JoinedBrokers, what: str
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, cookies = await opened_at(owner)
    broker = other if what == "not its session" else owner
    target = "somebody else" if what == "for another" else broker.name
    told = ForwardedCall(("203.0.113.7", 1), "http")
    line = f"GET {path(session)}".encode()
    value = owner.forwarder.header.sign(told, target=target, request=line).decode()
    if what == "old":
        brokers.clock.advance(VALID_SECONDS + 1)
    async with broker.client(cookies=cookies) as visitor:
        headers = [(HEADER, value)] * (2 if what == "twice" else 1)
        answer = await visitor.get(path(session), headers=headers)
    # Of two one may be a stranger's: the call is what it would be without them.
    assert answer.status_code == (200 if what == "twice" else 421)
    assert not attempts(other)


async def test_a_call_that_is_not_for_this_replica_is_refused_before_its_body_is_read(
    brokers: JoinedBrokers,
) -> None:
    broker = await brokers.start()
    is_refused = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await is_refused.wait()

    speak = "/api/avatar-sessions/session-1/speak"
    told = ForwardedCall(("203.0.113.7", 1), "http")
    line = f"POST {speak}".encode()
    value = broker.forwarder.header.sign(told, target=broker.name, request=line).decode()
    headers = {HEADER: value, "Content-Type": "application/json"}
    async with asyncio.timeout(10), broker.client() as replica:
        sent = replica.build_request("POST", speak, content=body(), headers=headers)
        scopes = seen_by(broker, is_refused.set)
        answer = await replica.send(sent)
    assert len(scopes) == 1
    assert answer.status_code == 421
    assert HEADER in answer.headers


async def test_who_has_a_session_is_read_from_its_row_and_who_lives(
    brokers: JoinedBrokers,
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    over, _ = await opened_at(owner)
    async with owner.client() as page:
        await page.post(path(over, "end"), headers=bearer(over))
    find = other.forwarder.owners.find_anew
    ids = [session["sessionId"], over["sessionId"]]
    alive = SessionOwner(owner.name, owner.url)
    assert [await find(each) for each in ids] == [alive, replace(alive, is_open=False)]
    await other.lease.drain()  # so that it takes nothing over
    await brokers.declare_dead(owner, by=other)
    gone = SessionOwner(owner.name, None)
    assert [await find(each) for each in ids] == [gone, replace(gone, is_open=False)]
    brokers.clock.advance(END_REASON_SECONDS + 1)
    assert [await find(each) for each in ids] == [gone, None]  # nobody takes that one over


async def test_what_crosses_is_what_came_and_one_signed_header(brokers: JoinedBrokers) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, cookies = await opened_at(owner)
    scopes = seen_by(owner)
    given = [
        *((b"Accept", b"*/*"), (b"Cookie", b"a=1"), (b"Cookie", b"b=2"), (b"X-Own", "é".encode())),
        *((b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"TE", b"trailers")),
        *(
            (b"Keep-Alive", b"timeout=5"),
            (b"X-Request-ID", b"mine-1"),
            (HEADER.encode(), b"forged"),
        ),
        *((b"Authorization", bearer(session)["Authorization"].encode()), (b"Host", b"page.test:1")),
    ]
    sent = httpx.Request("GET", f"{other.url}{path(session)}?q=%2e%2E&q=a+b", headers=given)
    async with other.client() as visitor:
        answer = await visitor.send(sent)
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] == "mine-1"
    [scope] = scopes
    assert (scope["raw_path"], scope["query_string"]) == (path(session).encode(), b"q=%2e%2E&q=a+b")
    headers = list(scope["headers"])
    [(_, signed)] = [one for one in headers if one[0] == HEADER.lower().encode()]
    hop = {b"connection", b"x-hop", b"te", b"keep-alive", HEADER.lower().encode()}
    came = sorted((n.lower(), v) for n, v in given if n.lower() not in hop)
    assert sorted(one for one in headers if one[0] != HEADER.lower().encode()) == came
    payload = json.loads(urlsafe_b64decode(signed.partition(b".")[0]))
    assert payload.keys() == {"at", "target", "request", "client", "scheme", "visitor"}
    assert (payload["target"], payload["client"][0]) == (owner.name, "127.0.0.1")
    crossed = repr(headers) + repr(payload)
    for secret in (KS, KALTURA_TOKEN, "a-signing-key-for-tests", *cookies.values()):
        assert secret not in crossed


# Streams, both ways


async def test_a_text_is_said_while_it_is_written_at_another_replica(
    brokers: JoinedBrokers, kaltura: FakeKaltura
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)

    async def written() -> AsyncIterator[bytes]:
        yield b'{"text": "The first sentence is over. "}\n{"text": "The "}\n'
        await until(lambda: "say-text" in kaltura.operations())
        yield b'{"text": "second one too."}\n'

    async with other.client() as page:
        headers = bearer(session) | {"Content-Type": STREAM}
        answer = await page.post(path(session, "speak"), content=written(), headers=headers)
    assert answer.status_code == 200
    assert attempts(other) == {"answered": 1}


async def test_a_text_that_is_written_is_refused_before_it_is(brokers: JoinedBrokers) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    is_answered = asyncio.Event()

    async def written() -> AsyncIterator[bytes]:
        await is_answered.wait()
        yield b"{}"

    seen_by(other, is_answered.set)
    async with asyncio.timeout(20), other.client() as page:
        headers = bearer({"token": "wrong"}) | {"Content-Type": STREAM}
        answer = await page.post(path(session, "speak"), content=written(), headers=headers)
    assert is_problem(answer, "unauthenticated", 401)


def events(lines: list[str]) -> list[tuple[str, str]]:
    """The ids and texts of the utterance events among these lines."""
    found, event_id = [], ""
    for line in lines:
        if line.startswith("id: "):
            event_id = line[4:]
        if line.startswith("data: ") and "turnId" in line:
            found.append((event_id, json.loads(line[6:])["text"]))
    return found


def _is_told(text: str, lines: list[str]) -> bool:
    return text in {said for _, said in events(lines)}


async def test_events_go_on_after_the_last_one_when_the_stream_breaks(
    brokers: JoinedBrokers,
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, cookies = await opened_at(owner)
    scopes = seen_by(owner)
    lines: list[str] = []

    async def follow() -> None:
        async with other.client() as page:
            stream = page.stream("GET", path(session, "events"), headers=bearer(session))
            async with stream as answer:
                async for line in answer.aiter_lines():
                    lines.append(line)  # noqa: PERF401 - others read it meanwhile

    following = asyncio.create_task(follow())
    for number in range(3):
        text = f"Sentence {number}."
        async with owner.client(cookies=cookies) as visitor:
            said = await visitor.post(path(session, "speak"), json={"text": text})
        assert said.status_code == 200
        await until(partial(_is_told, text, lines))
        owner.cut()
    await until(lambda: len([s for s in scopes if s["path"].endswith("events")]) >= 3)
    asked = [s for s in scopes if s["path"].endswith("events")]
    ids = [dict(scope["headers"]).get(b"last-event-id", b"").decode() for scope in asked]
    assert ids[0] == ""
    assert all(ids[1:])
    async with owner.client(cookies=cookies) as visitor:
        await visitor.post(path(session, "end"))
    async with asyncio.timeout(20):
        await following
    seen = events(lines)
    assert len(seen) == len(set(seen)), "no event comes twice"
    assert attempts(other)["broke-off"] >= 2


async def test_a_reader_who_hangs_up_is_gone_at_the_owner_too(brokers: JoinedBrokers) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    followers = owner.server.lifespan.state["followers"]
    async with other.client() as page:
        stream = page.stream("GET", path(session, "events"), headers=bearer(session))
        async with stream as answer:
            await anext(answer.aiter_lines())
            assert len(followers._open) == 1
    await until(lambda: not owner.server.server_state.connections)


# An owner that goes


async def test_a_speak_that_breaks_off_is_never_sent_again(
    brokers: JoinedBrokers, kaltura: FakeKaltura
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    scopes = seen_by(owner)
    gate = Gate()
    kaltura.will("say-text", gate)
    async with other.client() as page:
        say = page.post(path(session, "speak"), json={"text": "Once."}, headers=bearer(session))
        speaking = asyncio.create_task(say)
        await gate.reached.wait()
        owner.cut()
        answer = await speaking
        gate.open.set()
    assert is_problem(answer, "outcome-unknown", 504)
    assert len(scopes) == 1
    assert kaltura.operations().count("say-text") == 1
    assert attempts(other) == {"broke-off": 1}


async def test_a_speak_that_the_stop_of_the_replica_between_cuts_off_may_be_said(
    brokers: JoinedBrokers, kaltura: FakeKaltura
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    kaltura.will("say-text", gate := Gate())
    async with other.client() as page:
        say = page.post(path(session, "speak"), json={"text": "Hello"}, headers=bearer(session))
        speaking = asyncio.create_task(say)
        await gate.reached.wait()
        other.server.should_exit = True
        answer = await speaking
        gate.open.set()
    assert is_problem(answer, "outcome-unknown", 504)


@pytest.mark.parametrize("operation", ["keep-alive", "interrupt", "end"])
async def test_what_does_no_harm_is_sent_again(
    brokers: JoinedBrokers, kaltura: FakeKaltura, operation: str
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    scopes, gate = seen_by(owner), Gate()
    kaltura.will(operation, gate)
    async with other.client() as page:
        call = page.post(path(session, operation), headers=bearer(session))
        calling = asyncio.create_task(call)
        await gate.reached.wait()
        owner.cut()
        gate.open.set()
        answer = await calling
    assert answer.status_code == 200
    assert len(scopes) == 2


class Frozen:
    """What a process does that was stopped by SIGSTOP: its connections stay, and nothing comes."""

    def __init__(self) -> None:
        self.thawed = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        await self.thawed.wait()


@pytest.mark.parametrize(
    ("method", "operation", "status"),
    [
        ("POST", "speak", 504),
        ("POST", "keep-alive", 200),
        ("POST", "interrupt", 200),
        ("POST", "end", 200),
        ("GET", "utterances", 200),
    ],
)
async def test_a_call_to_a_frozen_owner_breaks_off_when_its_session_has_moved(
    brokers: JoinedBrokers,
    kaltura: FakeKaltura,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    operation: str,
    status: int,
) -> None:
    monkeypatch.setattr(forwarder, "MOVED_SECONDS", 0.01)
    owner, other, third = [await brokers.start() for _ in range(3)]
    session, _ = await opened_at(owner)
    owner.app.middleware_stack = frozen = Frozen()
    async with other.client() as page, asyncio.timeout(20):
        content: dict[str, Any] = {"json": {"text": "Hello"}} if operation == "speak" else {}
        call = page.request(method, path(session, operation), headers=bearer(session), **content)
        calling = asyncio.create_task(call)
        await until(lambda: bool(other.forwarder.owners._watches))
        await brokers.declare_dead(owner, by=third)
        await third.server.lifespan.state["registry"].take_over()
        answer = await calling
    frozen.thawed.set()  # else its stop waits for the call
    assert answer.status_code == status, answer.text
    assert attempts(other)["moved"] == 1
    assert "say-text" not in kaltura.operations()
    assert status == 200 or is_problem(answer, "outcome-unknown", 504)


async def test_an_owner_that_lives_still_answers_when_its_session_has_moved(
    brokers: JoinedBrokers, kaltura: FakeKaltura, sql: asyncpg.Connection
) -> None:
    owner, other, third = [await brokers.start() for _ in range(3)]
    session, _ = await opened_at(owner)
    kaltura.will("say-text", gate := Gate())
    async with other.client() as page:
        say = page.post(path(session, "speak"), json={"text": "Hello"}, headers=bearer(session))
        speaking = asyncio.create_task(say)
        await gate.reached.wait()
        await brokers.give(owner, to=third)
        await sql.execute(f"NOTIFY {SESSIONS_MOVED}")
        found = other.forwarder.owners._found
        await until(lambda: third.name in {each.holder for _, each in found.values() if each})
        gate.open.set()
        answer = await speaking
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("heir_is", ["a third", "the one that was asked"])
@pytest.mark.parametrize("media_type", ["application/json", STREAM])
async def test_a_call_waits_for_the_replica_that_takes_the_session_over(
    brokers: JoinedBrokers, kaltura: FakeKaltura, heir_is: str, media_type: str
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    heir = other if heir_is == "the one that was asked" else await brokers.start()
    session, _ = await opened_at(owner)
    owner.close()
    async with other.client() as page:
        headers = bearer(session) | {"Content-Type": media_type}
        say = page.post(path(session, "speak"), content=b'{"text": "Hello"}', headers=headers)
        speaking = asyncio.create_task(say)
        await until(lambda: attempts(other).get("unreachable", 0) >= 1)
        await heir.take_over(of=owner)
        await brokers.give(owner, to=heir)  # before others could take it
        await brokers.declare_dead(owner, by=heir)
        answer = await speaking
    assert answer.status_code == 200, answer.text
    assert kaltura.operations().count("say-text") == 1
    assert attempts(other).get("answered", 0) == (0 if heir is other else 1)


@pytest.mark.parametrize("asked", ["the one that gives it up", "the one that takes it over"])
async def test_while_a_session_changes_hands_nobody_says_that_there_is_none(
    brokers: JoinedBrokers, asked: str
) -> None:
    giver, taker = await brokers.start(), await brokers.start()
    session, _ = await opened_at(giver)
    registry = giver.server.lifespan.state["registry"]
    registry._lose(registry.runtimes()[0])  # its row says so a moment later
    at = giver if asked == "the one that gives it up" else taker
    if at is taker:
        await brokers.give(giver, to=taker)  # and it is in memory a moment later
    async with at.client() as page:
        reading = asyncio.create_task(page.get(path(session), headers=bearer(session)))
        await until(lambda: reading.done() or attempts(at).get("unreachable", 0) >= 1)
        if at is giver:
            await taker.take_over(of=giver)
            await brokers.give(giver, to=taker)
        else:
            await taker.take_over(of=taker)
        answer = await reading
    assert answer.status_code == 200, answer.text


async def test_when_none_takes_it_over_the_call_is_told_so_in_time(
    brokers: JoinedBrokers,
) -> None:
    clock = FakeClock()
    owner = await brokers.start()
    other = await brokers.start(clocks=Clocks(brokers.clock, clock, clock.sleep, clock.call_later))
    session, _ = await opened_at(owner)
    owner.close()
    began = clock()
    async with other.client() as page:
        say = page.post(path(session, "speak"), json={"text": "Hello"}, headers=bearer(session))
        speaking = asyncio.create_task(say)
        while not speaking.done():
            clock.advance(LOOK_SECONDS)
            await asyncio.sleep(0.02)
        answer = speaking.result()
    assert is_problem(answer, "replica-unavailable", 503)
    assert answer.headers["Retry-After"] == "2"
    assert clock() - began >= TAKE_OVER_SECONDS


async def test_a_replica_that_has_lost_a_session_refuses_and_the_search_ends(
    brokers: JoinedBrokers, kaltura: FakeKaltura
) -> None:
    owner, other, third = [await brokers.start() for _ in range(3)]
    session, _ = await opened_at(owner)
    await brokers.give(owner, to=third)
    async with other.client() as page:
        answer = await page.post(
            path(session, "speak"), json={"text": "Hello"}, headers=bearer(session)
        )
    assert is_problem(answer, "replica-unavailable", 503)
    assert attempts(other) == {"not-owner": MOST_REFUSALS}
    assert attempts(third) == {}
    assert "say-text" not in kaltura.operations()


@pytest.mark.parametrize("heir_is", ["the first", "the one that was asked"])
async def test_what_is_written_while_the_owner_is_sought_reaches_it_whole(
    brokers: JoinedBrokers, kaltura: FakeKaltura, heir_is: str
) -> None:
    owner, other, third = [await brokers.start() for _ in range(3)]
    session, _ = await opened_at(owner)
    await brokers.give(owner, to=third)

    async def written() -> AsyncIterator[bytes]:
        yield b'{"text": "One. "}\n'
        await until(lambda: attempts(other).get("not-owner", 0) == 1)
        heir = owner if heir_is == "the first" else other
        if heir is other:
            await other.take_over(of=third)
        await brokers.give(third, to=heir)
        yield b'{"text": "Two."}\n'

    async with other.client() as page:
        headers = bearer(session) | {"Content-Type": STREAM}
        answer = await page.post(path(session, "speak"), content=written(), headers=headers)
        assert answer.status_code == 200, answer.text
        told = (await page.get(path(session, "utterances"), headers=bearer(session))).json()
    assert [each["text"] for each in told["utterances"]] == ["One. Two."]


async def test_a_stale_owner_is_looked_up_anew(brokers: JoinedBrokers) -> None:
    owner, other, third = [await brokers.start() for _ in range(3)]
    session, _ = await opened_at(owner)
    await brokers.give(owner, to=third)
    async with other.client() as page:
        page.headers.update(bearer(session))
        await page.get(path(session))  # remembers the third
        await brokers.give(third, to=owner)
        assert (await page.get(path(session))).status_code == 200
    assert attempts(other)["not-owner"] == MOST_REFUSALS + 1


async def test_what_is_no_replica_is_not_believed(brokers: JoinedBrokers) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"welcome"})

    owner.app.middleware_stack = gateway
    async with other.client() as page:
        answer = await page.post(
            path(session, "speak"), json={"text": "Hello"}, headers=bearer(session)
        )
    assert is_problem(answer, "outcome-unknown", 504)


async def test_while_the_database_is_away_calls_go_to_the_owner_that_is_known(
    brokers: JoinedBrokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    owner = await brokers.start()
    other = await brokers.start(clocks=Clocks(brokers.clock, clock, clock.sleep, clock.call_later))
    session, _ = await opened_at(owner)

    async def away(_: Any) -> Any:
        raise RecordUnavailable(retry_after=5)

    async with other.client() as page:
        page.headers.update(bearer(session))
        await page.get(path(session))
        monkeypatch.setattr(other.database, "read", away)
        clock.advance(60)
        assert (await page.get(path(session))).status_code == 200
        unknown = await page.get("/api/avatar-sessions/another")
        assert is_problem(unknown, "replica-unavailable", 503)


# What is seen of it


async def test_both_ends_log_the_same_request_and_one_counts_it(
    brokers: JoinedBrokers,
) -> None:
    owner, other = await brokers.start(), await brokers.start()
    session, _ = await opened_at(owner)
    scopes = seen_by(owner)
    async with other.client() as page:
        answer = await page.get(path(session), headers=bearer(session))
    [scope] = scopes
    given = dict(scope["headers"])[b"x-request-id"].decode()
    assert answer.headers["X-Request-ID"] == given
    answered = {"method": "GET", "route": "/api/avatar-sessions/{sessionId}", "status": "200"}
    counted = [
        counters_of(broker).get_sample_value("avatar_broker_http_requests_total", answered) or 0
        for broker in (owner, other)
    ]
    assert counted == [1, 0]
