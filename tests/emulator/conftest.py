"""An emulator in this process, started with the settings a test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.emulator.main import create_emulator
from app.emulator.settings import EmulatorSettings
from tests.support.emulator import Clock, House, OpenHouse


@pytest.fixture
def open_house() -> OpenHouse:
    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[House]:
        clock = Clock()
        app = create_emulator(EmulatorSettings(clock=clock, **changes))
        transport = httpx.ASGITransport(app=app)
        async with (
            LifespanManager(app, startup_timeout=60, shutdown_timeout=60),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as client,
        ):
            yield House(client, clock)

    return opened


@pytest.fixture
async def house(open_house: OpenHouse) -> AsyncIterator[House]:
    async with open_house() as opened:
        yield opened
