"""What Kaltura opens too late for its visitor is still seen to."""

import asyncio
import gc
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.client import KalturaClient
from app.kaltura.contract import Created
from app.kaltura.ks_sources import ConfiguredKs
from tests.support.doubles import KS, FakeKaltura, Gate, refusal
from tests.support.kaltura_client import WISH


def client_of(kaltura: FakeKaltura, timeout_seconds: float) -> KalturaClient:
    return KalturaClient(
        base_url="https://kaltura.test",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=timeout_seconds,
    )


@pytest.fixture
def client(kaltura: FakeKaltura) -> KalturaClient:
    return client_of(kaltura, 0.01)


@pytest.fixture
def patient(kaltura: FakeKaltura) -> KalturaClient:
    return client_of(kaltura, 60)


class Late:
    """What is seen to: sessions that were opened, and what was raised instead of them."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Created] = asyncio.Queue()
        self.failed: asyncio.Queue[errors.KalturaError] = asyncio.Queue()

    async def __call__(self, creating: asyncio.Future[Created]) -> None:
        try:
            await self.came.put(await creating)
        except errors.KalturaError as error:
            await self.failed.put(error)


def opening() -> Gate:
    return Gate(httpx.Response(200, json={"sessionId": "late", "token": "t"}))


async def test_an_answer_after_the_time_allowed_is_seen_to(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", gate := opening())
    late = Late()
    with pytest.raises(errors.TimedOutError):
        await client.create(WISH, late)
    gate.open.set()
    assert (await late.came.get()).session_id == "late"
    assert len(kaltura.calls) == 1


async def test_an_answer_in_time_is_seen_to_by_whoever_asked_alone(patient: KalturaClient) -> None:
    late = Late()
    assert (await patient.create(WISH, late)).session_id == "session-1"
    await asyncio.sleep(0.02)
    assert late.came.empty()


async def test_so_is_the_answer_to_whoever_gave_up_before(
    patient: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", gate := opening())
    late = Late()
    asking = asyncio.create_task(patient.create(WISH, late))
    await gate.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    gate.open.set()
    assert (await late.came.get()).session_id == "late"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refusal(500), errors.ServerFailedError),
        (httpx.ReadError("broken"), errors.LostAnswerError),
        (httpx.Response(200, content=b"{"), errors.BrokenAnswerError),
    ],
    ids=["refused", "lost", "broken"],
)
async def test_so_is_that_nothing_is_known_to_have_been_opened(
    client: KalturaClient,
    kaltura: FakeKaltura,
    answer: httpx.Response | Exception,
    told: type[errors.KalturaError],
) -> None:
    go_on = asyncio.Event()

    async def late_answer() -> httpx.Response:
        await go_on.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    kaltura.will("create", late_answer)
    late = Late()
    with pytest.raises(errors.TimedOutError):
        await client.create(WISH, late)
    assert client.late_creates == 1
    go_on.set()
    assert type(await late.failed.get()) is told
    assert late.came.empty()
    assert len(kaltura.calls) == 1, "and it is not asked again"


async def test_however_many_answers_are_late_each_is_seen_to(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    gates = [opening() for _ in range(100)]
    kaltura.will("create", *gates)
    late = Late()
    asking = [asyncio.create_task(client.create(WISH, late)) for _ in gates]
    await asyncio.wait(asking)
    for gate in gates:
        gate.open.set()
    for _ in gates:
        await late.came.get()


async def test_a_client_that_is_closed_awaits_no_answer(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", opening())
    late = Late()
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    with pytest.raises(errors.TimedOutError):
        await client.create(WISH, late)
    await client.aclose()
    gc.collect()
    assert client.late_creates == 0
    assert late.came.empty()
    assert unheard == []
