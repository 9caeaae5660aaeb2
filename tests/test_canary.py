"""The KS, what makes one and, sealed, Kaltura's JWT are in nothing that leaves.

Whatever Kaltura does, and whichever call it does it to.
"""

import asyncio
import base64
import contextlib
import io
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.kaltura import errors
from app.kaltura.breaker import OPEN_SECONDS
from app.kaltura.contract import MIRROR_PATH, DocumentedRefusal, Operation
from app.kaltura.ks_sources import PAUSE_SECONDS, RENEWED_AFTER
from app.kaltura.minting import LIFETIME_SECONDS
from app.kaltura.transport import MAX_ANSWER_BYTES
from app.main import ROOT, Transports, create_app
from app.observability.logs import configure_logging
from app.observability.spans import tracer_provider
from app.problems import PROBLEMS
from app.sessions.catalog.catalog import FRESH_SECONDS
from app.sessions.clock import Clocks
from app.sessions.service import KEEP_ALIVE_SECONDS
from app.web.bounds import WebBounds
from tests.support.doubles import (
    ADMIN_SECRET,
    APP_TOKEN,
    BY_ADMIN_SECRET,
    BY_APP_TOKEN,
    KALTURA_TOKEN,
    KS,
    MINTED_KS,
    WIDGET_KS,
    Answer,
    FakeClock,
    FakeKaltura,
    exception,
    look,
    refusal,
    settings,
)
from tests.support.mirror_api import BODIES
from tests.support.mirror_api import path as mirror_path
from tests.support.operators import following
from tests.support.visitor_api import CONTROLS, CREATE, UPSTREAM, path

pytestmark = pytest.mark.usefixtures("_a_recording_is_made_once")

KEY = "canary-secret-key-of-32-characters"
SERVICE = "canary-service-token-3b6e"
OPERATOR = "canary-operator-token-e10c"
WHEP_SECRET = "canary-whep-secret-4d1a"
TURN_SECRET = "canary-turn-credential-86c2"
UPSTREAM_TEXT = "canary-upstream-text"
CANARIES = (
    *(KS, KALTURA_TOKEN, KEY, SERVICE, UPSTREAM_TEXT),
    *(ADMIN_SECRET, APP_TOKEN, MINTED_KS, WIDGET_KS, OPERATOR),
)
SDK = {"visualConfig": {"id": "avatar-1"}}
TIME_HEALS = max(OPEN_SECONDS, PAUSE_SECONDS, KEEP_ALIVE_SECONDS)
"""Then Kaltura is asked again, whatever happened before."""

MEDIA_CANARIES = (WHEP_SECRET, TURN_SECRET)
"""What goes to the page that shows the session, in the two answers that are for it, and only so."""

ALL = " ".join((*CANARIES, *MEDIA_CANARIES))
ECHO = {
    "Location": f"https://evil.example/?{KS}&{KALTURA_TOKEN}",
    "Set-Cookie": f"ks={KS}; token={KALTURA_TOKEN}",
    "WWW-Authenticate": f'Bearer realm="{ALL}"',
    "Retry-After": KS,
    "Server": UPSTREAM_TEXT,
    "X-Request-ID": KALTURA_TOKEN,
    "Content-Type": f"application/json; charset={UPSTREAM_TEXT}",
}
DONE = {
    "success": True,
    "sessionId": "session-of-a-fault",
    "token": KALTURA_TOKEN,
    "whepUrl": f"https://media.kaltura.ai/?{WHEP_SECRET}",
}


class Torn(httpx.AsyncByteStream):
    """A body that begins well and then breaks off, or stops coming."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield json.dumps(DONE).encode()[:-1]
        if self._error:
            raise self._error
        await asyncio.Event().wait()


async def _silence() -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


def _json(body: Any, status: int = 200) -> Callable[[], Answer]:
    return lambda: httpx.Response(status, headers=ECHO, content=json.dumps(body))


def _bytes(content: bytes, **headers: str) -> Callable[[], Answer]:
    """A body as it is: as a stream, so that nothing tries to decode it before the broker does."""
    return lambda: httpx.Response(200, headers=ECHO | headers, stream=httpx.ByteStream(content))


STATIC = ROOT / "static"
FAULTS: dict[str, Callable[[], Answer]] = {
    **{
        f"status {status}": _json({"success": False, "error": ALL}, status)
        # Those that mean something of their own, and of the others one of each kind.
        for status in (204, 302, 400, 401, 403, 404, 410, 429, 500, 503)
    },
    "success: false": _json({"success": False, "error": ALL, "code": KS}),
    "an exception": _json({"objectType": "KalturaAPIException", "message": ALL, "code": KS}),
    "an invalid KS": lambda: exception("INVALID_KS"),
    "an exception of nothing": _json({"objectType": "KalturaAPIException"}),
    "wrong types": _json({"success": KS, "sessionId": 7, "token": [KALTURA_TOKEN], "whepUrl": {}}),
    "an id that is a path": _json(DONE | {"sessionId": f"../{KS}", "whepUrl": f"/{WHEP_SECRET}"}),
    "a script for an address": _json(DONE | {"token": f"a\n{KS}", "whepUrl": f"javascript:{KS}"}),
    "an address with a password": _json({**DONE, "token": 7, "whepUrl": f"https://a:{KS}@b.c/"}),
    "a list": _json([ALL]),
    "a text": _json(ALL),
    "nothing": _bytes(b""),
    "a page": _bytes(f"<html><body>{ALL}".encode()),
    "broken JSON": _bytes(f'{{"success": true, "token": "{ALL}"'.encode()),
    "deep JSON": _bytes(b'{"a":' * 10_000),
    "no text": _bytes(b"\xff" * 1000),
    "a huge answer": _bytes(json.dumps(DONE | {"x": ALL + "x" * MAX_ANSWER_BYTES}).encode()),
    "compressed": _bytes(ALL.encode(), **{"Content-Encoding": "gzip"}),
    "truncated": lambda: httpx.Response(
        200, headers=ECHO, stream=Torn(httpx.RemoteProtocolError(ALL))
    ),
    "reset": lambda: httpx.ReadError(ALL),
    "never connected": lambda: httpx.ConnectError(ALL),
    "a name that is none": lambda: OSError(ALL),
    "silence": lambda: _silence,
    "half an answer and silence": lambda: httpx.Response(200, headers=ECHO, stream=Torn(None)),
}
OF_A_CREATE = (
    *("status 401", "status 429", "status 500", "success: false", "an exception", "a list"),
    *("broken JSON", "truncated", "reset", "never connected", "half an answer and silence"),
)
"""Faults of each error that a create ends in.

A create that is never answered keeps the only place, so there is one, the last.
"""


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a service would log."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = before
    root.setLevel(level)


@dataclass
class Told:
    """A visitor of a broker, and all that the broker told them."""

    app: FastAPI
    visitor: httpx.AsyncClient
    all: list[str] = field(default_factory=list)
    grant: set[str] = field(default_factory=set)
    """What belongs to the visitor, and to nobody's log: tokens and cookies."""
    called: set[tuple[str, str]] = field(default_factory=set)

    async def call(self, method: str, target: str, **content: Any) -> httpx.Response:
        answer = await self.visitor.request(method, target, **content)
        self.called.add((method, target))
        self.all.append(f"{answer.status_code} {answer.reason_phrase} {answer.headers.raw!r}")
        text = answer.text
        if answer.is_success and target.endswith(("/media", "/init-client")):
            for canary in MEDIA_CANARIES:
                text = text.replace(canary, "")
        self.all.append(text)
        self.grant |= set(answer.cookies.values())
        if (
            answer.is_success
            and "token" in text
            and answer.headers["Content-Type"] == ("application/json")
        ):
            self.grant |= {answer.json()["token"]} if "token" in answer.json() else set()
        assert_is_an_answer_of_ours(target, answer)
        return answer

    async def follow(self, target: str, words: str) -> None:
        """A call whose answer goes on, left when these words have come."""
        self.called.add(("GET", target))
        async with following(self.visitor, target) as stream:
            self.all += [await stream.until(words), f"{stream.status} {stream.headers}"]

    def never_called(self) -> list[str]:
        """The operations of the broker that no call was for."""
        return [
            f"{method} {template}"
            for template, methods in self.app.openapi()["paths"].items()
            for method in methods
            if not any(
                method.upper() == called
                and re.fullmatch(_pattern(template), target.partition("?")[0])
                for called, target in self.called
            )
        ]


def _pattern(template: str) -> str:
    return re.sub(r"{\w+(:path)?}", "[^/]+", template)


OUTCOMES = {"ok"} | {
    kind.__name__
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.KalturaError)
}
OUTCOMES -= {errors.KalturaError.__name__, errors.CircuitOpenError.__name__}
"""What a call of Kaltura's may end in; while the circuit is open there is no call."""

OF_CONTROLS = {errors.SpeechFailedError.__name__}
"""Those that no create ends in."""

KALTURA_ERRORS = {refusal.error for refusal in DocumentedRefusal} | {
    kind.title for kind in PROBLEMS
}


def assert_is_an_answer_of_ours(target: str, answer: httpx.Response) -> None:
    assert answer.status_code != 500, answer.text
    assert not answer.is_redirect
    if answer.is_success or target == "/readyz":
        return
    body = answer.json()
    if target.startswith(MIRROR_PATH):
        assert set(body) == {"success", "error"}
        assert body["success"] is False
        assert body["error"] in KALTURA_ERRORS or answer.status_code in {400, 404, 405}
        return
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    known = {f"/problems/{kind.name}": kind.title for kind in PROBLEMS}
    if answer.status_code in {404, 405} and body["type"] == "about:blank":
        return
    assert body["title"] == known[body["type"]]


@contextlib.asynccontextmanager
async def told_by_a_broker(
    kaltura: FakeKaltura, clock: FakeClock, **changes: Any
) -> AsyncIterator[Told]:
    limits = {"max_sessions_per_visitor": 1000, "max_concurrent_sessions": 1000}
    configured = settings(secret_key=KEY, operator_token=OPERATOR, **{**limits, **changes})
    # FakeKaltura answers without a pause, so that only a fault can take longer than this.
    configured = configured.model_copy(update={"upstream_timeout_seconds": 0.001})
    traces, spans = tracer_provider({}), InMemorySpanExporter()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    app = create_app(
        configured,
        transports=Transports(kaltura=kaltura, pictures=kaltura),
        clocks=Clocks(wall=clock, monotonic=clock),
        tracer_provider=traces,
        bounds=WebBounds(stream_seconds=0),
        shutdown_seconds=0.5,  # for what hangs
    )
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=manager.app, raise_app_exceptions=False),
            base_url="http://broker.test",
        ) as visitor,
    ):
        told = Told(app, visitor)
        yield told
        metrics = {"Authorization": f"Bearer {OPERATOR}"}
        assert "avatar_broker_" in (await told.call("GET", "/metrics", headers=metrics)).text
    told.all += [span.to_json(indent=None) for span in spans.get_finished_spans()]
    assert any("kaltura end" in text for text in told.all)
    traces.shutdown()


def forms_of(secret: str) -> list[bytes]:
    """A secret as it is, and as it is often written."""
    raw = secret.encode()
    aligned = (base64.b64encode(b"\0" * skipped + raw)[4:-4] for skipped in range(3))
    return [raw, raw[::-1], raw.hex().encode(), *aligned]


def assert_no_canary(told: Told, log: io.StringIO, *others: bytes) -> None:
    left = "\n".join(told.all).encode(), log.getvalue().encode(), *others
    for canary in (*CANARIES, *MEDIA_CANARIES):
        for form in forms_of(canary):
            for one in left:
                assert form not in one, one[max(0, one.index(form) - 200) :][:400]
    for secret in told.grant:
        assert not any(secret.encode() in one for one in left[1:])


def contents_of(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


def never_visited(told: Told) -> list[str]:
    """The routes that no call was for: those too that are in no document, such as pages."""
    return [
        f"{method} {route.path}"
        for route in iter_route_contexts(told.app.routes)
        for method in (route.methods or set()) - {"HEAD"}
        if not any(
            method == called and re.fullmatch(_pattern(route.path or ""), target.partition("?")[0])
            for called, target in told.called
        )
    ]


class Play:
    """Every operation of every surface, with one of Kaltura's answers to it at a time."""

    def __init__(self, told: Told, kaltura: FakeKaltura, clock: FakeClock) -> None:
        self._told = told
        self._kaltura = kaltura
        self._clock = clock
        self._session: dict[str, Any] = {}

    async def pages(self) -> None:
        """What asks nothing of Kaltura."""
        for target in (
            *(
                "/",
                "/approaches",
                "/docs",
                "/llms.txt",
                "/openapi.json",
                "/healthz",
                "/servez",
                "/readyz",
                "/metrics",
            ),
            *("/problems/kaltura-error", f"/problems/{UPSTREAM_TEXT[7:]}", "/static/page.css"),
            *("/nowhere", "/api", "/api/config", "/api/catalog", "/api/avatar-sessions"),
            "/api/catalog/avatars/avatar-1/thumbnail",
            *("/api/waiting-room/nothing", "/avatar.js", "/embed/nothing/avatar.js"),
            *("/avatar-frame.js", "/embed"),
            *(f"{MIRROR_PATH}/nowhere", f"{MIRROR_PATH}/session-1/viewer"),
        ):
            await self._told.call("GET", target)
        for target in ("/", "/healthz", CREATE, f"{MIRROR_PATH}/create"):
            assert (await self._told.call("DELETE", target)).status_code == 405
        await self._told.call("POST", "/api/waiting-room/nothing/leave")
        await self._told.call("POST", MIRROR_PATH, json=SDK)
        await self._told.call("GET", CREATE, headers={"Authorization": f"Bearer {SERVICE}"})

    async def mistakes(self) -> None:
        """What is refused before it gets anywhere."""
        await self._alive()
        for target in (path(self._session, "speak"), mirror_path(self._session, "say-text")):
            for content in (b"", b"{", b"[]", json.dumps({"text": [KS]}).encode()):
                headers = self._bearer() | {"Content-Type": "application/json"}
                await self._told.call("POST", target, content=content, headers=headers)
            for token in (KS, KALTURA_TOKEN, OPERATOR, self._session["token"][:-2]):
                await self._told.call("POST", target, headers={"Authorization": f"Bearer {token}"})

    async def controls(self) -> None:
        """Every operation of a session while nothing is wrong: a success could tell as well."""
        for where, contents in ((path, CONTROLS), (mirror_path, BODIES)):
            for control, content in contents.items():
                await self._alive()
                target = where(self._session, control)
                said = await self._told.call("POST", target, headers=self._bearer(), **content)
                assert said.is_success, said.text
                await self._look()
        for view in ("utterances", "events"):  # once it is over, its stream ends
            await self._told.call("GET", path(self._session, view))
        await self._told.call("POST", path(self._session, "utterances/turn-1/heard"))

    async def fault_of_create(self, fault: Callable[[], Answer]) -> None:
        """A fault of what opens a session; only this needs a KS."""
        for operation in (Operation.CREATE, Operation.INIT_CLIENT):
            for target, content in ((CREATE, {}), (f"{MIRROR_PATH}/create", {"json": SDK})):
                await self._faulted(operation, fault, "POST", target, **content)

    async def fault_of_control(self, fault: Callable[[], Answer]) -> None:
        """The same fault of each operation of an open session in turn."""
        for control, content in CONTROLS.items():
            await self._alive()
            upstream = UPSTREAM.get(control, control)
            await self._faulted(upstream, fault, "POST", path(self._session, control), **content)
        await self._look()
        for operation, content in BODIES.items():
            await self._alive()
            target = mirror_path(self._session, operation)
            if operation is Operation.INIT_CLIENT:  # from memory
                await self._told.call("POST", target, headers=self._bearer())
                continue
            await self._faulted(operation, fault, "POST", target, headers=self._bearer(), **content)
        await self._look()

    async def fault_of_catalog(self, fault: Callable[[], Answer], avatar_id: str) -> None:
        """A fault of what lists avatars and voices, and of a picture that was not asked for yet."""
        thumbnail = f"/api/catalog/avatars/{avatar_id}/thumbnail"
        self._clock.advance(FRESH_SECONDS)
        await self._faulted("list", fault, "GET", "/api/catalog")
        await self._faulted(f"{avatar_id}.png", fault, "GET", thumbnail)

    async def operator(self) -> None:
        """What the operator reads, follows and does, and what a visitor gets in their place."""
        await self._alive()
        for headers in ({"Authorization": f"Bearer {OPERATOR}"}, self._bearer()):
            for view in ("audit?limit=1000", "audit?text=canary", "sessions", "usage", "health"):
                await self._told.call("GET", f"/operator/api/{view}", headers=headers)
            for session_id in ("nothing", self._session["sessionId"]):
                target = f"/operator/api/sessions/{session_id}/end"
                await self._told.call("POST", target, headers=headers)
        self._session = {}
        for token in (KS, OPERATOR):
            await self._told.call("POST", "/operator/api/sign-in", json={"token": token})
        for view in ("api/audit", "api/audit.csv", "api/audit.jsonl", "record", "usage", "embed"):
            await self._told.call("GET", f"/operator/{view}")
        await self._told.call("GET", "/operator")
        await self._told.follow("/operator/api/events", '"sessions"')
        await self._told.follow("/operator/api/audit/events", "retry")
        await self._told.call("POST", "/operator/api/sign-out")

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._session['token']}"}

    async def _faulted(
        self, operation: str, fault: Callable[[], Answer], *call: str, **content: Any
    ) -> None:
        self._clock.advance(TIME_HEALS)
        self._kaltura.will(operation, *(fault() for _ in range(3)))  # some are tried again
        await self._told.call(*call, **content)
        assert len(self._kaltura.script[operation]) < 3, "the fault was met"
        self._kaltura.script.clear()

    async def _alive(self) -> None:
        """Make sure of a session that can be controlled, and that Kaltura is taken to be up."""
        self._clock.advance(TIME_HEALS)
        if self._session:
            state = await self._told.call("GET", path(self._session))
            if state.json().get("state") == "live":
                return
        self._session = (await self._told.call("POST", CREATE)).json()

    async def _look(self) -> None:
        for view in ("", "media"):
            await self._told.call("GET", path(self._session, view))
        await self._told.call("GET", "/api/avatar-sessions")
        await self._told.call("GET", "/readyz")
        for action in ("leave", "resume"):
            await self._told.call("POST", path(self._session, action))


@pytest.mark.timeout(300)  # it plays every fault to every operation
@pytest.mark.parametrize("makes_ks", [{}, BY_APP_TOKEN], ids=["a KS", "KS that are made"])
async def test_no_operation_and_no_fault_tells_a_secret(
    kaltura: FakeKaltura,
    clock: FakeClock,
    log: io.StringIO,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    makes_ks: dict[str, Any],
) -> None:
    kaltura.whep_url = f"https://media.kaltura.ai/whep/?key={WHEP_SECRET}"
    kaltura.turn = {"url": "turn.kaltura.ai", "username": "u", "credential": TURN_SECRET}
    database = {"database_url": f"sqlite+aiosqlite:///{tmp_path}/broker.db"}
    avatars = [f"avatar-of-fault-{number}" for number in range(len(FAULTS))]
    kaltura.catalog += map(look, avatars)
    others = {"service_tokens": f"shop:{SERVICE}", "avatar_allowed_ids": ",".join(avatars)}
    lasting = {"session_idle_seconds": 3600, "session_max_seconds": 3600}
    async with told_by_a_broker(
        kaltura, clock, **makes_ks, **database, **others, **lasting
    ) as told:
        play = Play(told, kaltura, clock)
        await play.pages()
        await play.mistakes()
        await play.controls()
        for (name, fault), avatar_id in zip(FAULTS.items(), avatars, strict=True):
            if not makes_ks or name in OF_A_CREATE:
                await play.fault_of_create(fault)
            if not makes_ks:  # to these it is all one where the KS is from
                await play.fault_of_catalog(fault, avatar_id)
                await play.fault_of_control(fault)
        await play.pages()
        await play.operator()
        kept = contents_of(tmp_path)
    kept += contents_of(tmp_path)
    assert told.never_called() == []
    # Of a create that was still waited for when the process stopped, nothing is known.
    met = OUTCOMES - OF_CONTROLS if makes_ks else OUTCOMES
    assert set(re.findall(r'"outcome": "(\w+)"', log.getvalue())) == met | {"unknown"}
    assert any(b"session-1" in file for file in kept), "what is kept can be read"
    assert len(told.grant) > (5 if makes_ks else len(FAULTS))
    assert never_visited(told) == []
    kept += contents_of(STATIC)
    assert_no_canary(told, log, *kept, *(stream.encode() for stream in capfd.readouterr()))


async def test_the_waiting_room_tells_no_secret_either(
    kaltura: FakeKaltura, clock: FakeClock, log: io.StringIO
) -> None:
    async with told_by_a_broker(kaltura, clock, max_concurrent_sessions=1) as told:
        for fault in map(FAULTS.__getitem__, OF_A_CREATE):
            clock.advance(TIME_HEALS)
            told.visitor.cookies.clear()
            session = (await told.call("POST", CREATE)).json()
            control = {"Authorization": f"Bearer {session['token']}"}
            told.visitor.cookies.clear()
            line = await told.call("POST", CREATE)
            assert line.status_code == 202
            place = line.headers["Location"]
            await told.call("GET", place)
            assert (await told.call("POST", f"{MIRROR_PATH}/create", json=SDK)).status_code == 503
            await told.call("POST", path(session, "end"), headers=control)
            assert (await told.call("GET", place)).json()["turnSecondsLeft"] > 0
            kaltura.will("create", fault())
            assert not (await told.call("POST", CREATE)).is_success
            await told.call("GET", place)
            await told.call("POST", f"{place}/leave")
            assert not kaltura.script["create"]
    assert_no_canary(told, log)


@pytest.mark.parametrize(
    ("makes_ks", "calls"),
    [(BY_ADMIN_SECRET, ["start"]), (BY_APP_TOKEN, ["startWidgetSession", "startSession"])],
)
async def test_no_ks_that_is_made_and_no_failure_to_make_one_tells_a_secret(
    kaltura: FakeKaltura,
    clock: FakeClock,
    log: io.StringIO,
    makes_ks: dict[str, Any],
    calls: list[str],
) -> None:
    faults = [
        *FAULTS.values(),
        lambda: exception("START_SESSION_ERROR"),
        lambda: exception(f"CODE_{MINTED_KS}"),
        lambda: exception("INTERNAL_SERVERL_ERROR"),
        _json({"ks": f"{MINTED_KS} broken", "expiry": MINTED_KS}),
        _json(f"{MINTED_KS} broken"),
        _bytes(f'"{MINTED_KS}'.encode()),
    ]
    async with told_by_a_broker(kaltura, clock, **makes_ks) as told:

        def read_from(written: int) -> str:
            log.seek(written)
            return log.read()  # and whoever writes goes on at the end

        async def open_and_end() -> None:
            await told.call("POST", path((await told.call("POST", CREATE)).json(), "end"))

        async def open_and_renew(outcome: str) -> None:
            """Open a session, and wait for the renewal that this begins in the background."""
            written = log.tell()
            await open_and_end()
            while outcome not in read_from(written):  # noqa: ASYNC110 - only the log tells
                await asyncio.sleep(0)

        for fault, call in zip(faults, itertools.cycle(calls), strict=False):
            # The KS that is kept is refused, and the next one can't be made, and then can.
            kaltura.will("create", refusal(401))
            kaltura.will(call, fault())
            await told.call("POST", CREATE)
            await told.call("GET", "/readyz")
            clock.advance(PAUSE_SECONDS)
            await open_and_end()
            # Likewise when it is renewed in the background.
            clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
            kaltura.will(call, fault())
            await open_and_renew("no ks was made")
            clock.advance(PAUSE_SECONDS)
            await open_and_renew("a ks was made")
    assert not any(kaltura.script.values())
    assert "a ks was made" in log.getvalue()
    assert log.getvalue().count("no ks was made") == 2 * len(faults)
    assert_no_canary(told, log)


def test_a_log_line_is_one_line_whatever_is_in_it(log: io.StringIO) -> None:
    structlog.get_logger("test").info("a line\nthat breaks", text="\x1b[31mred")
    [line] = log.getvalue().splitlines()
    assert json.loads(line)["event"] == "a line\nthat breaks"
