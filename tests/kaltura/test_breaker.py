"""While Kaltura is down nobody waits for it, and when it is back it is used at once."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stamina
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.kaltura import errors
from app.kaltura.breaker import OPEN_SECONDS, THRESHOLD
from app.kaltura.client import KalturaClient
from app.kaltura.contract import Operation
from app.kaltura.ks_sources import ConfiguredKs
from tests.support.doubles import KS, FakeClock, FakeKaltura, Gate, refusal
from tests.support.kaltura_client import call

SPEECH = pytest.mark.parametrize("speech", [Operation.SAY_TEXT, Operation.SAY_AUDIO])


@pytest.fixture
def client(kaltura: FakeKaltura, clock: FakeClock) -> KalturaClient:
    return KalturaClient(
        base_url="https://kaltura.test",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=5,
        monotonic=clock,
    )


class Outage:
    """Kaltura's failures, one by one."""

    def __init__(self, client: KalturaClient, kaltura: FakeKaltura, clock: FakeClock) -> None:
        self.client = client
        self.kaltura = kaltura
        self.clock = clock

    async def fail(self, times: int, failure: Any = None) -> None:
        """So many calls that reach Kaltura and fail there."""
        before = len(self.kaltura.calls)
        for _ in range(times):
            self.kaltura.will("create", failure or refusal(500))
            with pytest.raises(errors.KalturaError):
                await call(self.client, Operation.CREATE)
        assert len(self.kaltura.calls) == before + times

    async def begin(self) -> None:
        """Kaltura is down, and it is known."""
        await self.fail(THRESHOLD)
        assert await self.is_noticed()

    async def begin_and_wait(self) -> None:
        """The next call is the trial."""
        await self.begin()
        self.clock.advance(OPEN_SECONDS)

    async def is_noticed(self) -> bool:
        """Whether a call is refused before it is sent."""
        before = len(self.kaltura.calls)
        try:
            await call(self.client, Operation.CREATE)
        except errors.CircuitOpenError:
            assert len(self.kaltura.calls) == before
            return True
        assert len(self.kaltura.calls) == before + 1
        return False


@pytest.fixture
def outage(client: KalturaClient, kaltura: FakeKaltura, clock: FakeClock) -> Outage:
    return Outage(client, kaltura, clock)


@pytest.fixture
def repeated() -> Iterator[list[Exception]]:
    """The errors that made a call be repeated."""
    found: list[Exception] = []
    stamina.instrumentation.set_on_retry_hooks([lambda retry: found.append(retry.caused_by)])
    yield found
    stamina.instrumentation.set_on_retry_hooks(None)


# What opens it


@pytest.mark.parametrize(
    "failure",
    [
        refusal(500),
        refusal(503),
        httpx.ConnectError(""),
        httpx.ReadError(""),
        TimeoutError(),
    ],
)
async def test_eight_failures_in_a_row_mean_that_kaltura_is_down(
    outage: Outage, failure: Any
) -> None:
    await outage.fail(8, failure)
    assert await outage.is_noticed()


async def test_seven_do_not(outage: Outage) -> None:
    await outage.fail(7)
    assert not await outage.is_noticed()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"success": True}),
        httpx.Response(200, json={"success": False}),
        httpx.Response(200, text="<html>"),
        refusal(302),
        refusal(400),
        refusal(404),
        refusal(429),
    ],
)
async def test_any_answer_in_between_shows_that_it_is_up(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, answer: httpx.Response
) -> None:
    await outage.fail(7)
    kaltura.will("end", answer)
    await asyncio.gather(call(client, Operation.END), return_exceptions=True)
    await outage.fail(8)
    assert await outage.is_noticed(), "the count began anew, with the first failure after it"


@SPEECH
async def test_text_to_speech_that_is_out_is_not_kaltura_that_is_down(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, speech: Operation
) -> None:
    for _ in range(20):
        kaltura.will(speech, refusal(503))
        with pytest.raises(errors.SpeechFailedError):
            await call(client, speech)
    assert not await outage.is_noticed()


@SPEECH
async def test_nor_is_it_kaltura_that_is_up(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, speech: Operation
) -> None:
    await outage.fail(7)
    kaltura.will(speech, refusal(503))
    with pytest.raises(errors.SpeechFailedError):
        await call(client, speech)
    await outage.fail(1)
    assert await outage.is_noticed()


@SPEECH
async def test_another_failure_of_speech_counts(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, speech: Operation
) -> None:
    await outage.fail(7)
    kaltura.will(speech, refusal(500))
    with pytest.raises(errors.ServerFailedError):
        await call(client, speech)
    assert await outage.is_noticed()


async def test_a_fault_of_our_own_says_nothing_of_kaltura(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.fail(7)
    for _ in range(8):
        kaltura.will("end", RuntimeError("a bug"))
        with pytest.raises(RuntimeError, match="a bug"):
            await call(client, Operation.END)
    await outage.fail(1)
    assert await outage.is_noticed()


async def test_slow_is_not_down(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    async def after_an_hour() -> httpx.Response:
        clock.advance(3600)
        return httpx.Response(200, json={"success": True})

    for _ in range(8):
        kaltura.will("say-audio", after_an_hour)
        await call(client, Operation.SAY_AUDIO)
    assert not await outage.is_noticed()


# While it is open


@pytest.mark.parametrize("operation", [o for o in Operation if o is not Operation.END])
async def test_nothing_is_sent_while_it_is_down(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, operation: Operation
) -> None:
    await outage.begin()
    before = len(kaltura.calls)
    with pytest.raises(errors.CircuitOpenError) as refused:
        await call(client, operation)
    assert (refused.value.operation, refused.value.status) == (operation, None)
    assert len(kaltura.calls) == before


@pytest.mark.parametrize(("passed", "left"), [(0, 3), (0.5, 3), (1, 2), (2.5, 1), (2.999, 1)])
async def test_the_refusal_says_how_many_whole_seconds_are_left(
    outage: Outage, client: KalturaClient, clock: FakeClock, passed: float, left: int
) -> None:
    await outage.begin()
    clock.advance(passed)
    with pytest.raises(errors.CircuitOpenError) as refused:
        await call(client, Operation.CREATE)
    assert refused.value.retry_after == left


async def test_a_refusal_is_not_worth_repeating(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, repeated: list[Exception]
) -> None:
    await outage.fail(7)
    kaltura.will("interrupt", refusal(503))
    with pytest.raises(errors.CircuitOpenError):
        await call(client, Operation.INTERRUPT)
    assert kaltura.operations().count("interrupt") == 1
    assert [type(error) for error in repeated] == [errors.ServerFailedError]


# The trial


async def test_a_kaltura_that_is_back_is_used_again_within_three_seconds(
    outage: Outage, client: KalturaClient, clock: FakeClock
) -> None:
    await outage.begin()
    clock.advance(3)
    for _ in range(10):
        await call(client, Operation.CREATE)


async def test_the_trial_is_one_call_although_ten_wait(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.begin_and_wait()
    before = len(kaltura.calls)
    kaltura.will("init-client", trial := Gate(httpx.Response(200, json={"whepUrl": "w"})))
    waiting = [asyncio.ensure_future(call(client, Operation.INIT_CLIENT)) for _ in range(10)]
    refused, _ = await asyncio.wait(waiting[1:])
    assert {type(task.exception()) for task in refused} == {errors.CircuitOpenError}
    assert {getattr(task.exception(), "retry_after", None) for task in refused} == {1}
    assert len(kaltura.calls) == before + 1
    trial.open.set()
    assert (await waiting[0]).whep_url == "w"
    assert not await outage.is_noticed()


async def test_a_trial_that_fails_means_three_more_seconds(
    outage: Outage, clock: FakeClock
) -> None:
    await outage.begin_and_wait()
    for _ in range(3):
        await outage.fail(1)
        assert await outage.is_noticed()
        clock.advance(2.9)
        assert await outage.is_noticed()
        clock.advance(0.1)
    assert not await outage.is_noticed()


async def test_after_an_outage_the_count_begins_anew(outage: Outage) -> None:
    await outage.begin_and_wait()
    assert not await outage.is_noticed()
    await outage.fail(7)
    assert not await outage.is_noticed()


async def test_a_trial_whose_caller_is_gone_makes_way_for_another(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.begin_and_wait()
    for _ in range(3):
        kaltura.will("interrupt", gate := Gate())
        trial = asyncio.ensure_future(call(client, Operation.INTERRUPT))
        await gate.reached.wait()
        assert await outage.is_noticed()
        trial.cancel()
        await asyncio.wait([trial])
        assert trial.cancelled()
    await outage.fail(1)
    assert await outage.is_noticed()


@SPEECH
async def test_a_trial_that_says_nothing_makes_way_for_another(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, speech: Operation
) -> None:
    await outage.begin_and_wait()
    kaltura.will(speech, refusal(503))
    with pytest.raises(errors.SpeechFailedError):
        await call(client, speech)
    await outage.fail(1)
    assert await outage.is_noticed()


async def test_what_was_sent_before_the_outage_says_nothing_of_now(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("keep-alive", late := Gate())
    early = asyncio.ensure_future(call(client, Operation.KEEP_ALIVE))
    await late.reached.wait()
    await outage.begin()
    late.open.set()
    await early
    assert await outage.is_noticed()


# End


async def test_an_end_gets_through_and_shows_that_kaltura_is_back(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.begin()
    await call(client, Operation.END)
    assert kaltura.operations()[-1] == "end"
    assert not await outage.is_noticed()


async def test_an_end_of_a_session_that_is_gone_shows_it_too(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.begin()
    kaltura.will("end", refusal(404))
    await call(client, Operation.END)
    assert not await outage.is_noticed()


async def test_an_end_that_fails_is_tried_three_times_and_shows_nothing(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    await outage.begin()
    clock.advance(OPEN_SECONDS - 1)
    kaltura.will("end", *[refusal(503)] * 3)
    with pytest.raises(errors.ServerFailedError):
        await call(client, Operation.END)
    assert kaltura.operations().count("end") == 3
    assert await outage.is_noticed()
    clock.advance(1)
    assert not await outage.is_noticed(), "the trial is not put off"


async def test_an_end_does_not_wait_for_the_trial(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await outage.begin_and_wait()
    kaltura.will("keep-alive", gate := Gate(refusal(500)))
    trial = asyncio.ensure_future(call(client, Operation.KEEP_ALIVE))
    await gate.reached.wait()
    await call(client, Operation.END)
    assert not await outage.is_noticed()
    gate.open.set()
    await asyncio.wait([trial])
    assert not await outage.is_noticed()


async def test_ends_that_fail_count(
    outage: Outage, client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("end", *[refusal(500)] * 8)
    for _ in range(8):
        with pytest.raises(errors.ServerFailedError):
            await call(client, Operation.END)
    assert await outage.is_noticed()


# What is left of it


async def test_an_outage_is_logged_once_and_so_is_its_end(outage: Outage, clock: FakeClock) -> None:
    with capture_logs() as logs:
        await outage.begin_and_wait()
        for _ in range(3):
            await outage.fail(1)
            clock.advance(OPEN_SECONDS)
        assert not await outage.is_noticed()
        await outage.fail(1)
        assert not await outage.is_noticed()
    told = [(entry["log_level"], entry["event"]) for entry in logs if entry["event"] != "kaltura"]
    assert told == [
        ("warning", "kaltura unavailable"),
        ("info", "kaltura is back"),
    ]


async def test_no_failure_is_kept_and_with_it_the_request_and_its_token(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("init-client", refusal(500))
    with pytest.raises(errors.ServerFailedError) as raised:
        await call(client, Operation.INIT_CLIENT)
    failure = weakref.ref(raised.value)
    del raised
    gc.collect()
    assert failure() is None
