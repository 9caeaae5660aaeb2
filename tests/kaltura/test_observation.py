"""What is told of each request to Kaltura, and what goes along with it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.kaltura.client import KalturaClient
from app.kaltura.contract import Operation
from app.kaltura.errors import KalturaError
from app.kaltura.ks_sources import ConfiguredKs
from app.kaltura.observation import Exchange
from tests.support.doubles import KALTURA_TOKEN, KS, FakeKaltura, refusal
from tests.support.kaltura_client import ACCESS, call, every_operation

THEIRS = "4f6b0e6e-8c1c-4a7e-9b1e-2f3d4c5b6a79"


@pytest.fixture
def seen() -> list[Exchange]:
    return []


@pytest.fixture
def client(kaltura: FakeKaltura, seen: list[Exchange]) -> KalturaClient:
    @contextlib.contextmanager
    def observer(exchange: Exchange) -> Iterator[None]:
        try:
            yield
        finally:
            seen.append(exchange)

    return KalturaClient(
        base_url="https://kaltura.test/v1/avatar-session",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=5,
        observer=observer,
    )


async def told(client: KalturaClient, operation: Operation) -> list[dict[str, Any]]:
    """What the log says of an operation, however it ends."""
    with capture_logs() as logs, contextlib.suppress(KalturaError):
        await call(client, operation)
    return [dict(entry) for entry in logs if entry["event"] == "kaltura"]


@every_operation
async def test_the_id_of_the_visitors_request_goes_along(
    client: KalturaClient, kaltura: FakeKaltura, operation: Operation
) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-7"):
        await call(client, operation)
    await call(client, operation)
    sent = [one.request.headers.get("X-Request-ID") for one in kaltura.calls]
    assert sent == ["request-7", None]


async def test_each_request_has_one_line_and_so_has_each_that_is_tried_again(
    client: KalturaClient, kaltura: FakeKaltura, seen: list[Exchange]
) -> None:
    kaltura.will("end", refusal(503), refusal(410))
    lines = await told(client, Operation.END)
    outcomes = [(line["outcome"], line["upstream_status"]) for line in lines]
    assert outcomes == [("ServerFailedError", 503), ("SessionGoneError", 410)]
    kaltura.will("create", httpx.Response(200, json={"success": False}), httpx.ConnectError("x"))
    for outcome in (("RejectedError", 200), ("NotConnectedError", None), ("ok", 200)):
        [line] = await told(client, Operation.CREATE)
        assert (line["outcome"], line["upstream_status"]) == outcome
    assert [exchange.reason for exchange in seen[2:]] == [None, "ConnectError", None]
    assert [exchange.outcome for exchange in seen[2:]] == [
        *("RejectedError", "NotConnectedError", "ok")
    ]


@pytest.mark.parametrize("header", ["X-Request-ID", "x-kaltura-request-id"])
async def test_kalturas_own_id_of_an_answer_is_told(
    client: KalturaClient, kaltura: FakeKaltura, header: str
) -> None:
    for status in (200, 500):
        kaltura.will("init-client", httpx.Response(status, json={}, headers={header: THEIRS}))
        [line] = await told(client, Operation.INIT_CLIENT)
        assert line["upstream_id"] == THEIRS


@pytest.mark.parametrize(
    "given",
    [
        *("", "abc", "a" * 65, "12345678\n", "1234 5678", "12345678\x1b[2K", "deadbeef;x=1"),
        *(KALTURA_TOKEN, "eyJhbGciOiJIUzI1NiJ9.e30.abcdef01", "djJ8MTIzNDV8deadbeef"),
    ],
    ids=ascii,
)
async def test_what_could_be_a_secret_or_a_text_is_no_id(
    client: KalturaClient, kaltura: FakeKaltura, given: str
) -> None:
    headers = [(b"X-Request-ID", given.encode())]
    kaltura.will("interrupt", httpx.Response(200, json={"success": True}, headers=headers))
    [line] = await told(client, Operation.INTERRUPT)
    assert "upstream_id" not in line


async def test_what_was_sent_is_no_id_of_theirs_when_it_comes_back(
    kaltura: FakeKaltura,
) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    client = KalturaClient(
        base_url="https://kaltura.test",
        ks_source=ConfiguredKs(SecretStr(secret)),
        transport=kaltura,
        timeout_seconds=5,
    )
    kaltura.will("create", httpx.Response(401, json={}, headers={"X-Request-ID": secret}))
    [line] = await told(client, Operation.CREATE)
    assert "upstream_id" not in line
    kaltura.will("end", httpx.Response(200, json={}, headers={"X-Request-ID": "deadbeef01"}))
    with structlog.contextvars.bound_contextvars(request_id="deadbeef01"):
        [line] = await told(client, Operation.END)
    assert "upstream_id" not in line


async def test_what_is_sent_again_has_the_ids_of_its_own_request(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("end", refusal(503))
    with structlog.contextvars.bound_contextvars(request_id="request-8"):
        await client.end(ACCESS)
    assert [one.request.headers.get_list("X-Request-ID") for one in kaltura.calls] == [
        ["request-8"]
    ] * 2
