"""The client of Kaltura's Control API: what it sends, what it takes for an answer."""

import asyncio
import contextlib
import json
from typing import Any, Final

import httpx
import pytest
import stamina
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.client import REPEATABLE, KalturaClient
from app.kaltura.contract import Operation
from app.kaltura.credentials import AdminSecret
from app.kaltura.http import post_json
from app.kaltura.ks_sources import RENEWED_AFTER, ConfiguredKs, MintedKs
from app.kaltura.minting import LIFETIME_SECONDS, KsMinter
from app.kaltura.transport import MAX_ANSWER_BYTES
from tests.support.doubles import (
    ADMIN_SECRET,
    KS,
    MINTED_KS,
    FakeClock,
    FakeKaltura,
    Gate,
    exception,
    refusal,
)
from tests.support.kaltura_client import ACCESS, SAID, SOUND, WISH, call, every_operation


@pytest.fixture
def client(kaltura: FakeKaltura) -> KalturaClient:
    return KalturaClient(
        base_url="https://kaltura.test/v1/avatar-session/",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=5,
    )


@pytest.fixture
def renewing(kaltura: FakeKaltura, clock: FakeClock) -> KalturaClient:
    """A client that makes its own KS."""
    mint = KsMinter(
        api_url="https://core.test",
        credentials=AdminSecret(12345, SecretStr(ADMIN_SECRET)),
        transport=kaltura,
        timeout_seconds=5,
    )
    return KalturaClient(
        base_url="https://kaltura.test/v1/avatar-session",
        ks_source=MintedKs(mint, clock, clock),
        transport=kaltura,
        timeout_seconds=5,
    )


@pytest.mark.parametrize(
    "host", ["kaltura.test", "kaltura.test:8443", "kaltura.test:443", "münchen.test", "[::1]:80"]
)
def test_a_call_has_the_headers_that_httpx_would_give_it(host: str) -> None:
    url, content = f"https://{host}/v1/say-text", '{"text":"Grüße"}'.encode()
    request = post_json(httpx.URL(url), "Bearer token", content)
    own = {name: request.headers[name] for name in ("User-Agent", "Accept", "Accept-Encoding")}
    own |= {"Authorization": "Bearer token", "Content-Type": "application/json"}
    expected = httpx.Request("POST", url, headers=own, content=content)
    assert own["Accept-Encoding"] == "identity"
    assert request.headers == expected.headers
    assert (request.url, request.content) == (expected.url, expected.content)


not_create = pytest.mark.parametrize("operation", [o for o in Operation if o != Operation.CREATE])


async def test_create_sends_the_ks_and_the_wire_form_that_clients_use(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    created = await client.create(WISH)
    assert (created.session_id, created.token) == ("session-1", kaltura.token)
    [sent] = kaltura.calls
    assert str(sent.request.url) == "https://kaltura.test/v1/avatar-session/create"
    assert sent.authorization == f"KS {KS}"
    assert sent.body == {
        "clientId": "kaltura-avatar-sdk",
        "visualConfig": {"id": "avatar-1"},
        "voiceConfig": {"id": "voice-1", "modelId": "eleven_flash_v2_5"},
    }


@not_create
async def test_every_other_operation_sends_the_sessions_jwt_and_never_the_ks(
    client: KalturaClient, kaltura: FakeKaltura, operation: Operation
) -> None:
    await call(client, operation)
    [sent] = kaltura.calls
    assert sent.authorization == "Bearer jwt-1"
    assert sent.request.url.path == f"/v1/avatar-session/session-1/{operation}"
    assert KS not in str(sent.request.headers.raw) + str(sent.body)


async def test_say_text_always_sends_all_three_fields(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await client.say_text(ACCESS, SAID)
    assert kaltura.calls[0].body == {"text": "Hello", "turnId": "turn-1", "isFinal": True}


async def test_say_audio_is_a_form_of_turn_duration_and_file(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    await client.say_audio(ACCESS, SOUND, "turn-1")
    form = kaltura.calls[0].body
    for part in (b'name="turnId"\r\n\r\nturn-1', b'name="duration"\r\n\r\n1.500', b"ID3sound"):
        assert part in form


FAILURES: Final[list[tuple[Any, type[errors.KalturaError]]]] = [
    (refusal(301), errors.RejectedError),
    (refusal(400), errors.RejectedError),
    (refusal(429), errors.BusyError),
    (refusal(500), errors.ServerFailedError),
    (refusal(503), errors.ServerFailedError),
    (httpx.Response(200, json={"success": False, "error": "no"}), errors.RejectedError),
    (
        httpx.Response(200, json={"objectType": "KalturaAPIException", "code": "X"}),
        errors.RejectedError,
    ),
    (httpx.Response(200, text="<html>"), errors.BrokenAnswerError),
    (httpx.Response(200, text=""), errors.BrokenAnswerError),
    (httpx.Response(200, text="[1]"), errors.BrokenAnswerError),
    (httpx.Response(200, text="null"), errors.BrokenAnswerError),
    (httpx.Response(200, content=b"\xff\xfe"), errors.BrokenAnswerError),
    (httpx.Response(200, text="[" * 60_000), errors.BrokenAnswerError),
    (
        httpx.Response(200, content=b" " * MAX_ANSWER_BYTES + b"{}"),
        errors.BrokenAnswerError,
    ),
    (httpx.ConnectError("refused"), errors.NotConnectedError),
    (httpx.ConnectTimeout("what the transport calls a reset"), errors.LostAnswerError),
    (httpx.ReadError("reset"), errors.LostAnswerError),
    (ConnectionResetError(), errors.LostAnswerError),
]
WITH_ALL: Final = (Operation.CREATE, Operation.KEEP_ALIVE)
"""One that is never repeated, and one that is."""

OF_EACH_OPERATION: Final[list[tuple[Any, type[errors.KalturaError]]]] = [
    (refusal(500), errors.ServerFailedError),
    (httpx.Response(200, json={"success": False, "error": "no"}), errors.RejectedError),
    (httpx.Response(200, text="[1]"), errors.BrokenAnswerError),
]


@pytest.mark.parametrize(
    ("operation", "answer", "error"),
    [
        *((operation, *failure) for operation in WITH_ALL for failure in FAILURES),
        *(
            (operation, *failure)
            for operation in Operation
            if operation not in WITH_ALL
            for failure in OF_EACH_OPERATION
        ),
    ],
)
async def test_whatever_kaltura_answers_becomes_a_typed_error(
    client: KalturaClient,
    kaltura: FakeKaltura,
    operation: Operation,
    answer: httpx.Response | Exception,
    error: type[errors.KalturaError],
) -> None:
    kaltura.will(operation, *[_copy(answer)] * 3)
    with pytest.raises(error) as raised:
        await call(client, operation)
    assert raised.value.operation == operation
    assert "canary-upstream-text" not in repr(raised.value)


def _copy(answer: httpx.Response | Exception) -> Any:
    """A parametrised response is shared by tests, and its body can be read once."""
    if isinstance(answer, Exception):
        return answer
    status, content = answer.status_code, answer.content

    async def again() -> httpx.Response:
        return httpx.Response(status, content=content)

    return again


@pytest.mark.parametrize(
    "body",
    [
        {"sessionId": "session-1"},
        {"token": "jwt"},
        {"sessionId": "../create", "token": "jwt"},
        {"sessionId": "a/b", "token": "jwt"},
        {"sessionId": ".", "token": "jwt"},
        {"sessionId": "", "token": "jwt"},
        {"sessionId": 7, "token": "jwt"},
        {"sessionId": "session-1", "token": "two\nlines"},
        {"sessionId": "session-1", "token": ""},
        {"sessionId": "session-1", "token": None},
    ],
)
async def test_a_create_without_a_usable_id_and_token_is_broken(
    client: KalturaClient, kaltura: FakeKaltura, body: dict[str, Any]
) -> None:
    kaltura.will("create", httpx.Response(200, json={"success": True, **body}))
    with pytest.raises(errors.BrokenAnswerError) as raised:
        await client.create(WISH)
    assert raised.value.__cause__ is None, "pydantic's error would quote the token"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_ks_is_told_apart(
    client: KalturaClient, kaltura: FakeKaltura, status: int
) -> None:
    kaltura.will("create", refusal(status))
    with pytest.raises(errors.CredentialsRejectedError):
        await client.create(WISH)


async def test_a_ks_exception_in_a_200_is_a_refused_ks(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    body = {"objectType": "KalturaAPIException", "code": "INVALID_KS", "message": "no"}
    kaltura.will("create", httpx.Response(200, json=body))
    with pytest.raises(errors.CredentialsRejectedError):
        await client.create(WISH)


@pytest.mark.parametrize("status", [401, 404, 410])
@not_create
async def test_a_session_that_is_gone_is_told_apart_and_ending_it_is_success(
    client: KalturaClient, kaltura: FakeKaltura, operation: Operation, status: int
) -> None:
    kaltura.will(operation, refusal(status))
    if operation is Operation.END:
        await client.end(ACCESS)
    else:
        with pytest.raises(errors.SessionGoneError):
            await call(client, operation)
    assert len(kaltura.calls) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("99999999999999999999", 3600), ("-1", None), ("soon", None), (None, None)],
)
async def test_retry_after_is_read_when_it_is_seconds(
    client: KalturaClient, kaltura: FakeKaltura, header: str | None, seconds: int | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    kaltura.will("create", httpx.Response(429, headers=headers))
    with pytest.raises(errors.BusyError) as raised:
        await client.create(WISH)
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [refusal(502), refusal(503), refusal(504), httpx.ReadError(""), httpx.ConnectError("")],
)
@every_operation
async def test_only_what_is_harmless_twice_is_sent_again(
    client: KalturaClient,
    kaltura: FakeKaltura,
    operation: Operation,
    answer: httpx.Response | Exception,
) -> None:
    kaltura.will(operation, _copy(answer), _copy(answer))
    if operation in REPEATABLE:
        await call(client, operation)
        assert len(kaltura.calls) == 3
    else:
        with pytest.raises(errors.KalturaError):
            await call(client, operation)
        assert len(kaltura.calls) == 1


@pytest.mark.parametrize(("took", "calls"), [(9.0, 2), (10.0, 1)])
async def test_nothing_is_sent_again_when_the_time_of_an_answer_is_over(
    kaltura: FakeKaltura,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    took: float,
    calls: int,
) -> None:
    timeouts = []

    def noted(**options: Any) -> Any:
        timeouts.append(options["timeout"])
        return retry_context(**options)

    async def lost() -> httpx.Response:
        clock.advance(took)
        raise httpx.ReadError("")

    retry_context = stamina.retry_context
    monkeypatch.setattr(stamina, "retry_context", noted)
    client = KalturaClient(
        base_url="https://kaltura.test",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=10.0,
        monotonic=clock,
    )
    kaltura.will("end", lost)
    with contextlib.suppress(errors.LostAnswerError):
        await client.end(ACCESS)
    assert len(kaltura.calls) == calls
    assert timeouts == [1.0] * (calls - 1)


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_definite_no_is_not_asked_again(
    client: KalturaClient, kaltura: FakeKaltura, status: int
) -> None:
    kaltura.will("interrupt", refusal(status))
    with pytest.raises(errors.KalturaError):
        await client.interrupt(ACCESS)
    assert len(kaltura.calls) == 1


@every_operation
async def test_a_stalled_answer_times_out_and_is_not_sent_again(
    kaltura: FakeKaltura, operation: Operation
) -> None:
    client = KalturaClient(
        base_url="https://kaltura.test",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=0.01,
    )
    kaltura.will(operation, asyncio.Event().wait)  # type: ignore[arg-type] # never answers
    with pytest.raises(errors.TimedOutError):
        await call(client, operation)
    assert len(kaltura.calls) == 1


async def test_unknown_fields_of_an_answer_are_dropped(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    body = {"whepUrl": "https://media.kaltura.ai/w", "turn": {"url": "turn.kaltura.ai", "x": 1}}
    kaltura.will("init-client", httpx.Response(200, json={**body, "token": "leak"}))
    media = await client.init_client(ACCESS)
    assert json.loads(media.model_dump_json(exclude_none=True)) == {
        "success": True,
        "whepUrl": "https://media.kaltura.ai/w",
        "turn": {"url": "turn.kaltura.ai"},
    }


# A KS of the broker's own


def sent_with(kaltura: FakeKaltura) -> list[str]:
    """The authorization of each create."""
    return [call.authorization for call in kaltura.calls if call.operation == "create"]


async def test_a_ks_is_made_once_for_many_creates(
    renewing: KalturaClient, kaltura: FakeKaltura
) -> None:
    for _ in range(3):
        await renewing.create(WISH)
    assert kaltura.operations() == ["start", "create", "create", "create"]
    assert sent_with(kaltura) == [f"KS {MINTED_KS}-1"] * 3


@pytest.mark.parametrize("no", [refusal(401), refusal(403), exception("INVALID_KS")])
async def test_create_is_sent_once_more_with_another_ks_when_the_first_is_refused(
    renewing: KalturaClient, kaltura: FakeKaltura, no: httpx.Response
) -> None:
    kaltura.will("create", _copy(no))
    created = await renewing.create(WISH)
    assert created.session_id == "session-1"
    assert kaltura.operations() == ["start", "create", "start", "create"]
    assert sent_with(kaltura) == [f"KS {MINTED_KS}-1", f"KS {MINTED_KS}-2"]
    assert kaltura.calls[1].body == kaltura.calls[3].body


async def test_a_ks_that_is_refused_twice_is_an_error(
    renewing: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", refusal(401), refusal(401))
    with pytest.raises(errors.CredentialsRejectedError):
        await renewing.create(WISH)
    assert kaltura.operations() == ["start", "create", "start", "create"]


@pytest.mark.parametrize(
    "answer",
    [refusal(400), refusal(429), refusal(503), exception("X"), httpx.ReadError("reset")],
)
async def test_create_is_not_sent_again_for_anything_else(
    renewing: KalturaClient, kaltura: FakeKaltura, answer: httpx.Response | Exception
) -> None:
    kaltura.will("create", _copy(answer))
    with pytest.raises(errors.KalturaError):
        await renewing.create(WISH)
    assert kaltura.operations() == ["start", "create"]


async def test_a_configured_ks_that_is_refused_is_not_tried_again(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("create", refusal(401))
    with pytest.raises(errors.CredentialsRejectedError):
        await client.create(WISH)
    assert kaltura.operations() == ["create"]


async def test_ten_refused_creates_make_one_new_ks(
    renewing: KalturaClient, kaltura: FakeKaltura
) -> None:
    await renewing.create(WISH)
    gates = [Gate(refusal(401)) for _ in range(10)]
    kaltura.will("create", *gates)
    creating = [asyncio.create_task(renewing.create(WISH)) for _ in gates]
    for gate in gates:
        await gate.reached.wait()
    for gate in gates:
        gate.open.set()
    created = await asyncio.gather(*creating)
    assert len({session.session_id for session in created}) == 10
    assert kaltura.operations().count("start") == 2
    assert sent_with(kaltura)[-10:] == [f"KS {MINTED_KS}-2"] * 10


async def test_a_ks_that_can_not_be_made_opens_nothing(
    renewing: KalturaClient, kaltura: FakeKaltura
) -> None:
    kaltura.will("start", exception("START_SESSION_ERROR"))
    with pytest.raises(errors.CredentialsRejectedError):
        await renewing.create(WISH)
    assert kaltura.operations() == ["start"]


async def test_a_refused_ks_that_can_not_be_replaced_is_the_error_of_the_replacement(
    renewing: KalturaClient, kaltura: FakeKaltura
) -> None:
    await renewing.create(WISH)
    kaltura.will("create", refusal(401))
    kaltura.will("start", httpx.ConnectError("refused"))
    with pytest.raises(errors.NotConnectedError):
        await renewing.create(WISH)


async def test_a_closed_client_leaves_no_renewal_behind(
    renewing: KalturaClient, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    before = asyncio.all_tasks()
    await renewing.create(WISH)
    clock.advance(RENEWED_AFTER * LIFETIME_SECONDS)
    gate = Gate()
    kaltura.will("start", gate)
    await renewing.create(WISH)
    await gate.reached.wait()
    await renewing.aclose()
    assert asyncio.all_tasks() == before
