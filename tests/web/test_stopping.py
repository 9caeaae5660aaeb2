"""A process that is about to stop: balancers, streams and those who wait are told at once."""

import asyncio
import re

import httpx
import pytest

from app.db.database import Database
from app.replicas.lease import Lease
from app.web.bounds import WebBounds
from app.web.stream_limit import MAX_RETRY_MS, MIN_RETRY_MS
from tests.support.audit import OPERATOR, TOKEN, Disk
from tests.support.doubles import FakeKaltura, refusal, settled
from tests.support.visitor_api import CREATE, Visit, opened, path

STOPPING_MS = re.compile(r"retry: (\d+)\n\n\Z")
OPERATORS = ("events", "audit/events")
LASTING = WebBounds(stream_seconds=600, session_events_seconds=600)


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


def retry_ms(answer: httpx.Response) -> int:
    """When the reader of a stream that was closed is to ask again."""
    assert answer.status_code == 200
    found = STOPPING_MS.search(answer.text)
    assert found, answer.text
    return int(found[1])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_balancer_is_told_of_a_stop_and_of_nothing_else(
    visit: Visit, kaltura: FakeKaltura, disk: Disk, stopping: asyncio.Event, method: str
) -> None:
    visitor = await visit(stopping=stopping)
    kaltura.will("create", refusal(500))
    await visitor.post(CREATE)
    disk.is_full = True
    await visitor.post(CREATE)
    assert (await visitor.get("/readyz")).status_code == 503
    assert (await visitor.request(method, "/servez")).status_code == 200
    disk.is_full = False
    stopping.set()
    assert (await visitor.request(method, "/servez")).status_code == 503
    assert (await visitor.get("/healthz")).status_code == 200


async def test_a_balancer_is_told_of_a_process_whose_sessions_others_have(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit()
    monkeypatch.setattr(Lease, "is_declared_dead", True)
    assert (await visitor.get("/servez")).status_code == 503


async def test_the_balancers_check_reads_no_database(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit()

    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Database, "read", hangs)
    monkeypatch.setattr(Database, "write", hangs)
    assert (await visitor.get("/servez")).json() == {"serving": True}


async def test_streams_are_closed_and_their_readers_come_back_at_different_times(
    visit: Visit, stopping: asyncio.Event
) -> None:
    visitor = await visit(stopping=stopping, bounds=LASTING, operator_token=TOKEN)
    events = path(await opened(visitor), "events")
    asked: list[tuple[str, dict[str, str]]] = [(events, {})] * 4
    asked += [(f"/operator/api/{name}", OPERATOR) for name in OPERATORS]
    streams = [asyncio.create_task(visitor.get(at, headers=headers)) for at, headers in asked]
    await settled()
    stopping.set()
    retries = [retry_ms(answer) for answer in await asyncio.gather(*streams)]
    retries.append(retry_ms(await visitor.get(events)))  # one that came too late
    assert len(set(retries)) > 1
    assert all(MIN_RETRY_MS <= each < MAX_RETRY_MS for each in retries)


async def test_who_waits_in_line_is_answered_and_asks_another_process(
    visit: Visit, stopping: asyncio.Event
) -> None:
    first = await visit(stopping=stopping, max_concurrent_sessions=1)
    await opened(first)
    second = await visit()
    ticket = (await second.post(CREATE)).json()["ticket"]

    async def wait() -> httpx.Response:
        return await second.get(f"/api/waiting-room/{ticket}", params={"wait": 25})

    waiting = asyncio.create_task(wait())
    await settled()
    assert not waiting.done()
    stopping.set()
    async with asyncio.timeout(10):
        assert (await waiting).json()["position"] == 1
        assert (await wait()).json()["position"] == 1  # it does not wait long again
