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
from app.kaltura.credentials import ConfiguredKs
from app.kaltura.late import MAX_LATE
from tests.doubles import KS, FakeKaltura, Gate, refusal
from tests.kaltura.test_client import WISH


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
    """What is seen to."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[Created] = asyncio.Queue()

    async def __call__(self, created: Created) -> None:
        await self.came.put(created)


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


async def test_a_late_refusal_opened_nothing(client: KalturaClient, kaltura: FakeKaltura) -> None:
    kaltura.will("create", gate := Gate(refusal(500)))
    late = Late()
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    with pytest.raises(errors.TimedOutError):
        await client.create(WISH, late)
    gate.open.set()
    await asyncio.sleep(0.02)
    gc.collect()
    assert late.came.empty()
    assert unheard == []


async def test_the_late_answers_that_are_waited_for_are_bounded(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    gates = [opening() for _ in range(MAX_LATE + 1)]
    late = Late()
    asking = []
    for gate in gates:
        kaltura.will("create", gate)
        asking.append(asyncio.create_task(client.create(WISH, late)))
        await gate.reached.wait()
    await asyncio.wait(asking)
    for gate in gates:
        gate.open.set()
    for _ in range(MAX_LATE):
        await late.came.get()
    await client.aclose()
    assert late.came.empty()
