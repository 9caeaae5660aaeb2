"""What the log says, and what nobody can make it say."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from starlette.routing import Route

from app.main import Transports, create_app
from app.observability.logs import Level
from app.observability.pseudonyms import MAX_PATH_LENGTH, Pseudonyms
from app.sessions.clock import Clocks
from app.sessions.service import KEEP_ALIVE_SECONDS
from app.web.middleware.log_levels import LASTING, ROUTINE, SLOW_SECONDS, level_of
from tests.support.doubles import FakeClock, FakeKaltura, logging_to, refusal, settings
from tests.support.login import BY_LOGIN, FakeLogin
from tests.support.operators import TOKEN
from tests.support.processes import run
from tests.support.visitor_api import CONTROLS, CREATE, Visit, bearer, opened, path

ALIASES = Pseudonyms(b"a key for these tests")
NASTY = [
    "\n2026-11-24 00:00:00 [info     ] paid",
    "\r\x1b[2K",
    "\x1b]0;title\x07",
    "\x85",
    "\u2028",
    "\u202e",
    "\x00",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    with logging_to(stream, ALIASES):
        yield stream


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    stream = Terminal()
    with logging_to(stream, ALIASES):
        yield stream


async def test_no_id_is_in_it_and_the_lines_of_a_session_share_its_alias(
    log: io.StringIO, visit: Visit
) -> None:
    visitor = await visit(max_concurrent_sessions=1)
    session = await opened(visitor)
    for control, content in CONTROLS.items():
        await visitor.post(path(session, control), **content)
    mirror = f"/v1/avatar-session/{session['sessionId']}/keep-alive"
    await visitor.post(mirror, headers=bearer(session))
    for stray in (
        "/api//avatar-sessions//{}",
        "/API/Avatar-Sessions/{}/x",
        "/api/avatar-sessions/{}/",
    ):
        await visitor.get(stray.format(session["sessionId"]))
    again = await opened(visitor)
    ticket = (await (await visit()).post(CREATE)).json()["ticket"]
    await visitor.get(f"/api/waiting-room/{ticket}")
    await visitor.post(f"/api/waiting-room/{ticket}/leave")

    lines = log.getvalue()
    cookie = visitor.cookies["avatar_visitor"]
    for identifier in (session["sessionId"], again["sessionId"], ticket, cookie):
        assert identifier not in lines
    mine = [json.loads(line) for line in lines.splitlines() if ALIASES.of("session-1") in line]
    assert {line["event"] for line in mine} == {"request", "kaltura"}
    assert {"say-text", "say-audio", "interrupt", "end"} <= {line.get("operation") for line in mine}
    assert f"/api/avatar-sessions/{ALIASES.of('session-1')}/speak" in lines
    assert f"/api/waiting-room/{ALIASES.of(ticket)}/leave" in lines
    assert '"path": "/api/create-avatar-session"' in lines


def told_of(log: io.StringIO) -> list[str]:
    """The method and path of each request that the log has, and Kaltura's operations."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line.get("operation") or f"{line['method']} {line['path']}" for line in lines]


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_what_is_asked_for_all_the_time_and_goes_well_is_told_at_debug_alone(
    visit: Visit, level: Level
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opened(visitor)
    path_in_log = f"/api/avatar-sessions/{ALIASES.of(session['sessionId'])}"
    mirror = f"/v1/avatar-session/{session['sessionId']}/keep-alive"
    routine = ["/healthz", "/readyz", "/static/docs.css", "/api/avatar-sessions", path(session)]
    stream = io.StringIO()
    with logging_to(stream, ALIASES, level):
        for url in routine:
            assert (await visitor.get(url)).status_code == 200
        await visitor.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        await visitor.post(path(session, "keep-alive"))
        await visitor.post(mirror, headers=bearer(session))
        logging.getLogger("library").debug("of no interest")
        if level == "info":
            assert told_of(stream) == []
        else:
            assert len(told_of(stream)) == len(routine) + 4
        for url in ("/static/none.css", path({"sessionId": "none"})):
            assert (await visitor.get(url)).status_code == 404
        await visitor.post(path({"sessionId": "none"}, "keep-alive"))
        await visitor.post(path(session, "interrupt"))
    assert told_of(stream)[-5:] == [
        "GET /static/none.css",
        f"GET /api/avatar-sessions/{ALIASES.of('none')}",
        f"POST /api/avatar-sessions/{ALIASES.of('none')}/keep-alive",
        "interrupt",
        f"POST {path_in_log}/interrupt",
    ]


async def test_a_keep_alive_that_kaltura_refuses_is_told(
    log: io.StringIO, visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    session = await opened(visitor)
    clock.advance(KEEP_ALIVE_SECONDS)
    kaltura.will("keep-alive", refusal(500))
    log.truncate(0)
    await visitor.post(path(session, "keep-alive"))
    lines = [json.loads(line) for line in log.getvalue().strip("\0").splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        *[("kaltura", "warning"), ("request", "warning")]
    ]


@pytest.mark.parametrize(
    ("route", "status", "seconds", "level"),
    [
        ("/healthz", 200, 0.1, logging.DEBUG),
        ("/healthz", 200, SLOW_SECONDS, logging.INFO),
        ("/readyz", 503, 0.1, logging.WARNING),
        ("/static", 304, 0.1, logging.DEBUG),
        ("/static", 404, 0.1, logging.INFO),
        ("/api/avatar-sessions/{sessionId}/events", 200, 600, logging.DEBUG),
        ("/api/avatar-sessions/{sessionId}/speak", 200, 0.1, logging.INFO),
        ("/api/avatar-sessions/{sessionId}/media", 0, 0.1, logging.INFO),
    ],
)
def test_what_failed_or_took_long_is_told_whatever_it_was(
    route: str, status: int, seconds: float, level: int
) -> None:
    scope = {"method": "GET", "root_path": "", "route": SimpleNamespace(path_format=route)}
    assert level_of(scope, status, seconds) == level


def test_the_routes_that_are_routine_exist() -> None:
    routes = [route for route in create_app(settings()).router.routes if isinstance(route, Route)]
    assert {"/static", *(route.path_format for route in routes)} >= ROUTINE | LASTING


def test_a_line_begins_with_when_and_how_bad_and_leaves_out_what_is_not_known(
    log: io.StringIO,
) -> None:
    structlog.get_logger("test").warning("told", status=None, reason="full")
    assert list(json.loads(log.getvalue())) == ["timestamp", "level", "event", "reason"]


async def test_nothing_of_a_login_is_in_it(
    log: io.StringIO, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    login = FakeLogin(clock)
    app = create_app(
        settings(**BY_LOGIN),
        transports=Transports(kaltura=kaltura, login=login),
        clocks=Clocks(wall=clock, monotonic=clock),
    )
    token = login.token(sub="alice@example.com")
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://broker.test"
        ) as visitor,
    ):
        for _ in range(2):
            await visitor.post(CREATE, headers={"Authorization": f"Bearer {token}"})
    assert '"status": 201' in log.getvalue()
    assert "alice" not in log.getvalue()
    assert token.rpartition(".")[2] not in log.getvalue()


def test_every_kind_of_id_has_an_alias(log: io.StringIO) -> None:
    structlog.get_logger("test").warning("told", session_id="s", visitor="v", ticket="t", n=None)
    told = json.loads(log.getvalue())
    assert [told[name] for name in ("session_id", "visitor", "ticket")] == [
        ALIASES.of(one) for one in "svt"
    ]


def test_an_alias_is_short_stable_and_of_one_key_alone() -> None:
    assert ALIASES.of("session-1") == Pseudonyms(b"a key for these tests").of("session-1")
    others = {ALIASES.of("session-2"), Pseudonyms(b"another key").of("session-1")}
    assert len({ALIASES.of("session-1"), *others}) == 3
    assert len(ALIASES.of("session-1")) == 13
    assert ALIASES.of("\ud800") == ALIASES.of("?")


@pytest.mark.parametrize(
    "kept",
    ["/", "/v1/avatar-session/create", "/v1/avatar-session", "/api/avatar-sessions", "/docs"],
)
def test_a_path_without_an_id_is_shown_as_it_is(kept: str) -> None:
    assert ALIASES.in_path(kept) == kept


def test_an_id_that_begins_like_create_is_an_id() -> None:
    assert "created-1" not in ALIASES.in_path("/v1/avatar-session/created-1/end")


def test_an_endless_path_is_cut() -> None:
    assert len(ALIASES.in_path("/x" * 5000)) == MAX_PATH_LENGTH


async def test_a_terminal_shows_first_what_was_asked_for_and_what_came_of_it(
    terminal: io.StringIO, visitor: httpx.AsyncClient
) -> None:
    await visitor.get("/nothing")
    plain = re.sub(r"\x1b\[\d+m", "", terminal.getvalue().splitlines()[-1])
    names = re.findall(r"(\w+)=", plain)
    assert names == ["method", "path", "status", "duration_ms", "request_id"]


@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
def test_a_terminal_shows_what_a_visitor_sends_and_does_not_obey_it(
    terminal: io.StringIO, nasty: str
) -> None:
    log = structlog.get_logger("test")
    log.info(nasty, path=f"/x{nasty}", other=[nasty])
    logging.getLogger("library").warning("told %s", nasty)
    assert len(terminal.getvalue().splitlines()) == 2
    for line in terminal.getvalue().splitlines():
        assert nasty not in line
        assert nasty.encode("unicode_escape").decode()[:4] in line


def raise_with(message: str) -> None:
    raise ValueError(message)


def test_a_traceback_can_not_pass_for_a_line_either(terminal: io.StringIO) -> None:
    try:
        raise_with("".join(NASTY))
    except ValueError:
        structlog.get_logger("test").exception("bug")
    first, *rest = terminal.getvalue().splitlines()
    assert "bug" in first
    assert "ValueError" in terminal.getvalue()
    assert all(line.startswith("    ") for line in rest if line)
    assert not any(nasty in terminal.getvalue() for nasty in NASTY[1:])


async def test_a_path_can_not_forge_a_line(terminal: io.StringIO, visit: Visit) -> None:
    visitor = await visit()
    before = len(terminal.getvalue().splitlines())
    await visitor.get("/x%0A2026-11-24%20[info]%20paid%1B[2K")
    assert len(terminal.getvalue().splitlines()) == before + 1


@pytest.mark.process
def test_the_operator_can_ask_for_an_alias(tmp_path: Path) -> None:
    keys = {"SECRET_KEY": f"{'n' * 32},{'o' * 32}"}
    told = run(tmp_path, "log-id", "session-1", **keys).stdout.split()
    alone = run(tmp_path, "log-id", "session-1", SECRET_KEY="o" * 32).stdout.split()
    assert len(told) == 2
    assert told[1:] == alone
