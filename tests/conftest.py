"""What every test has: an environment without settings, and Kaltura and the clock in its hands."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import stamina
from asgi_lifespan import LifespanManager

from app.environment import PLANNED, PLANNED_HARMLESS
from app.main import create_app
from app.settings import Settings
from tests.doubles import FakeClock, FakeKaltura, FakeServices, settings

Visit = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name.upper() for name in Settings.model_fields} | PLANNED.keys() | PLANNED_HARMLESS
    for name in os.environ.keys() & (known | {f"{name}_FILE" for name in known}):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_waiting_between_retries() -> Any:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def kaltura() -> FakeKaltura:
    return FakeKaltura()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


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

        async def visit(address: str = "127.0.0.1", **changes: Any) -> httpx.AsyncClient:
            if not started:
                app = create_app(
                    settings(**changes),
                    transport=kaltura,
                    speech_transport=speech,
                    clock=clock,
                    monotonic=clock,
                    sleep=clock.sleep,
                )
                manager = await stack.enter_async_context(LifespanManager(app))
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
