"""What every test has: an environment without settings, and Kaltura and the clock in its hands."""

import asyncio
import functools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import aiosqlite
import httpx
import pytest
import stamina
import structlog
from asgi_lifespan import LifespanManager
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine
from starlette.routing import BaseRoute

from app import main
from app.config.settings import Settings
from app.config.sources import WITHOUT_EFFECT
from app.db import database
from app.db.database import Database, open_database
from app.main import Transports, create_app
from app.migrations import prepare
from app.sessions.audio import subprocess_runner
from app.sessions.speech.text import installed_hooks
from app.web.bounds import WebBounds
from app.web.docs import openapi
from tests.support.audit import Disk
from tests.support.database import compiled_for_all, prepared_by_a_copy, without_threads
from tests.support.doubles import FakeClock, FakeKaltura, FakeServices, settings
from tests.support.postgres import Postgres, postgres
from tests.support.processes import BACKSTAGE, Running, running
from tests.support.visitor_api import Visit

SETTINGS: Final = {name.upper() for name in Settings.model_fields} | WITHOUT_EFFECT
VARIABLES: Final = SETTINGS | {f"{name}_FILE" for name in SETTINGS}
"""Names under which a setting can come from outside."""

EXAMPLES: Final = 40
"""How many Hypothesis makes for each property, unless a test says otherwise."""

BOUNDS: Final = WebBounds(stream_seconds=0)
"""No stream outlives a test, unless it brings other bounds."""


def pytest_configure() -> None:
    hypothesis_settings.register_profile("suite", max_examples=EXAMPLES)
    hypothesis_settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES.intersection(os.environ):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_waiting_between_retries() -> Any:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(autouse=True, scope="session")
def _a_hang_up_is_not_ignored() -> Iterator[None]:
    """Else no process that a test starts hears one, where the tests themselves run by `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True, scope="session")
def _tables_in_memory_are_copied() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(main, "prepare", prepared_by_a_copy())
        yield


@pytest.fixture(autouse=True, scope="session")
def _databases_in_memory_have_no_threads() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(aiosqlite, "connect", without_threads(aiosqlite.connect))
        yield


@pytest.fixture(autouse=True, scope="session")
def _pages_are_compiled_once() -> Iterator[None]:
    """Else every broker compiles the templates that it shows anew, as long as a test takes."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(main, "Jinja2Templates", functools.cache(Jinja2Templates))
        yield


@pytest.fixture(autouse=True, scope="session")
def _routes_are_described_once() -> Iterator[None]:
    """Else every broker that shows its documents looks at all routes and models anew."""

    documents: dict[tuple[Any, ...], str] = {}

    def described(*, routes: Sequence[BaseRoute], **about: str) -> Any:
        # All brokers have the very same routes in common.
        key = *about.items(), *(id(route) for route in routes if isinstance(route, APIRoute))
        if key not in documents:
            documents[key] = json.dumps(get_openapi(routes=routes, **about))  # type: ignore[arg-type]
        return json.loads(documents[key])

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(openapi, "get_openapi", described)
        yield


@pytest.fixture(autouse=True, scope="session")
def _statements_are_compiled_once() -> Iterator[None]:
    """Else every broker compiles each statement anew, a fifth of what a short test costs."""
    first: dict[type, Engine] = {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("create_engine", "create_async_engine"):
            create = getattr(database, name)
            monkeypatch.setattr(database, name, compiled_for_all(create, first))
        yield


@pytest.fixture(autouse=True, scope="session")
def _certificates_are_loaded_once() -> Iterator[None]:
    """Else each HTTP client of a test loads them all, which costs 50 ms of processor time."""
    loaded = functools.cache(httpx.create_ssl_context)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in ("httpx", "httpx._transports.default"):
            monkeypatch.setattr(f"{name}.create_ssl_context", loaded)
        yield


@pytest.fixture(autouse=True, scope="session")
def _packages_are_searched_once_for_each_path() -> Iterator[None]:
    """Else every broker reads the description of every package that the tests need."""
    found = functools.cache(lambda _path, group: entry_points(group=group))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            installed_hooks, "entry_points", lambda *, group: found(tuple(sys.path), group)
        )
        yield


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Else structlog shows each variable in each frame, which takes seconds for one request."""
    renderer = structlog.dev.ConsoleRenderer.get_active()
    renderer.exception_formatter = structlog.dev.plain_traceback


@pytest.fixture(scope="session")
def recordings_made() -> dict[Any, bytes]:
    """What the process that decodes recordings answered, by what it was given."""
    return {}


@pytest.fixture
def _a_recording_is_made_once(
    monkeypatch: pytest.MonkeyPatch, recordings_made: dict[Any, bytes]
) -> None:
    """Else each of the many calls with a recording costs a process, whose answer is the same."""

    async def run(program: Path, *arguments: str, given: bytes, **limits: Any) -> bytes:
        asked = program, arguments, given, tuple(limits.items())
        if asked not in recordings_made:
            recordings_made[asked] = await run_for_real(program, *arguments, given=given, **limits)
        return recordings_made[asked]

    run_for_real = subprocess_runner.run
    monkeypatch.setattr(subprocess_runner, "run", run)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator that any KS opens, with a still picture, shared by all who ask.

    Leave it without faults.
    """
    folder = tmp_path_factory.mktemp("emulator")
    with running("emulator", folder, "--still", ready=BACKSTAGE) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def own_postgres() -> Iterator[Postgres]:
    """A real one, started when the first test asks for it."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def prepared_postgres(own_postgres: Postgres) -> str:
    """A database on Postgres that has all tables, and that nobody uses."""
    url = own_postgres.new_database()

    async def prepared() -> None:
        async with open_database(url, prepare):
            pass

    asyncio.run(prepared())
    return url


@pytest.fixture
def postgres_url(own_postgres: Postgres, prepared_postgres: str) -> Iterator[str]:
    """A new database on Postgres: its tables are copied, which costs less than to make them."""
    url = own_postgres.new_database(template=prepared_postgres)
    yield url
    own_postgres.drop(url)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/data/broker.db"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    init = Database.__init__

    def watched(self: Database, *arguments: Any) -> None:
        init(self, *arguments)
        disk.watch(self)

    monkeypatch.setattr(Database, "__init__", watched)
    return disk


@pytest.fixture
def kaltura() -> FakeKaltura:
    return FakeKaltura()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rates_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock that rates are counted by."""
    clock = FakeClock()
    monkeypatch.setattr("app.web.rate_limiter.time", SimpleNamespace(time=clock))
    return clock


@pytest.fixture
def speech() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def visit(
    kaltura: FakeKaltura, speech: FakeServices, clock: FakeClock
) -> AsyncIterator[Visit]:
    """Starts the broker once, with these settings, and gives a new visitor at each call."""
    async with AsyncExitStack() as stack:
        started: list[Any] = []
        reached_at: list[str] = []

        async def visit(
            address: str = "127.0.0.1",
            bounds: WebBounds = BOUNDS,
            stopping: asyncio.Event | None = None,
            **changes: Any,
        ) -> httpx.AsyncClient:
            if not started:
                app = create_app(
                    settings(**changes),
                    transports=Transports(kaltura=kaltura, speech=speech, pictures=kaltura),
                    clocks=clock.clocks,
                    bounds=bounds,
                    stopping=stopping,
                )
                patient = LifespanManager(app, startup_timeout=60, shutdown_timeout=60)
                manager = await stack.enter_async_context(patient)
                started.append(manager.app)
                reached_at.append(changes.get("public_url") or "http://broker.test")
            assert not changes or len(started) == 1
            transport = httpx.ASGITransport(
                app=started[0], raise_app_exceptions=False, client=(address, 50_000)
            )
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url=reached_at[0])
            )

        yield visit


@pytest.fixture
async def visitor(visit: Visit) -> httpx.AsyncClient:
    """A visitor of a broker with the default settings."""
    return await visit()
