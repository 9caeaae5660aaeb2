"""How a process stops: when it says so, how long it goes on answering, and that it does exit."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn

from app.server.process import DRAIN_SECONDS, MOST_DRAIN_SECONDS, _Server
from tests.support.doubles import KS, FakeClock
from tests.support.postgres import Postgres
from tests.support.processes import running, wait_until


class Stops:
    """Counts how often it was told."""

    def __init__(self, clock: FakeClock, is_drained: Callable[[], bool] = lambda: True) -> None:
        self.count = 0
        self.server = _Server(
            uvicorn.Config("app"),
            on_stop=self._stop,
            is_drained=is_drained,
            drain_seconds=5,
            monotonic=clock,
        )

    def _stop(self) -> None:
        self.count += 1

    async def is_over(self) -> bool:
        return await self.server.on_tick(1)


async def test_after_sigterm_it_says_so_at_once_and_answers_until_balancers_know(
    clock: FakeClock,
) -> None:
    stops = Stops(clock)
    assert not await stops.is_over()
    assert stops.count == 0
    stops.server.handle_exit(signal.SIGTERM, None)
    assert not await stops.is_over()
    assert stops.count == 1
    clock.advance(4.9)
    assert not await stops.is_over()
    clock.advance(0.2)
    assert await stops.is_over()
    assert stops.count == 1


async def test_it_answers_until_its_sessions_are_handed_over_and_no_longer_than_twenty_seconds(
    clock: FakeClock,
) -> None:
    for is_handed_over, seconds in ((True, 5), (False, MOST_DRAIN_SECONDS)):
        stops = Stops(clock, is_drained=partial(bool, is_handed_over))
        stops.server.handle_exit(signal.SIGTERM, None)
        assert not await stops.is_over()
        clock.advance(seconds - 0.1)
        assert not await stops.is_over()
        clock.advance(0.2)
        assert await stops.is_over()


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
async def test_who_presses_ctrl_c_or_asks_twice_does_not_wait_for_balancers(
    clock: FakeClock, signals: list[signal.Signals]
) -> None:
    stops = Stops(clock)
    for number in signals:
        stops.server.handle_exit(number, None)
        clock.advance(1)
    assert await stops.is_over()
    assert stops.count == 1


def test_a_stop_that_hangs_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    server = _Server(uvicorn.Config("app"), stop_seconds=0)
    server.handle_exit(signal.SIGTERM, None)
    server.exit_in_time()
    assert codes == [128 + signal.SIGTERM]


@pytest.mark.process
def test_with_postgres_a_stop_is_told_to_the_balancer_while_all_is_still_answered(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    with (
        running(
            "serve",
            tmp_path,
            ready="/servez",
            AVATAR_KS=KS,
            AVATAR_ID="ada",
            SECRET_KEY="a-signing-key-for-tests-of-32-characters",
            DATABASE_URL=own_postgres.new_database(),
        ) as broker,
        httpx.Client(base_url=broker.url, trust_env=False) as http,
    ):
        broker.process.terminate()
        wait_until("the balancer is told", lambda: http.get("/servez").status_code == 503)
        assert http.get("/healthz").status_code == 200
        assert broker.process.wait(2 * DRAIN_SECONDS) == 0
