"""Making a KS: what Kaltura's core API is sent, and what is taken for an answer."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.credentials import AdminSecret, AppToken
from app.kaltura.minting import HASH_TYPES, KsMinter, MintCall
from app.kaltura.transport import MAX_ANSWER_BYTES
from tests.support.doubles import (
    ADMIN_SECRET,
    APP_TOKEN,
    MINTED_KS,
    WIDGET_KS,
    FakeKaltura,
    exception,
    refusal,
)

SECRET = AdminSecret(12345, SecretStr(ADMIN_SECRET))
TOKEN = AppToken(12345, "1_token", SecretStr(APP_TOKEN))
HASHES = {
    "sha256": "56b4e3648a9f3b955023ebc510e7c519a14b4701c87e500d3072a139bea1eb01",
    "sha1": "d6c6c730bb3bbd4a788a1bf1f04f36e019f16812",
    "sha512": "ef604472db23a533ae6765045b882b4db9fad9647857b546549b3172a6ecf24b"
    "a9f5c1bcea0ee8dea049951109a292845c4324d659dab709c7e0a25f617396a7",
    "md5": "7dc998a2a71a95cc91ed38ebb771f77e",
}
"""Of WIDGET_KS and APP_TOKEN, as coreutils' sha256sum and its like have it."""

every_call = pytest.mark.parametrize("call", list(MintCall))


def mint(kaltura: FakeKaltura, credentials: AdminSecret | AppToken, seconds: float = 5) -> KsMinter:
    return KsMinter(
        api_url="https://core.test",
        credentials=credentials,
        transport=kaltura,
        timeout_seconds=seconds,
    )


def mint_with(kaltura: FakeKaltura, call: MintCall, seconds: float = 5) -> KsMinter:
    """A mint that makes this call."""
    return mint(kaltura, SECRET if call is MintCall.START else TOKEN, seconds)


def last_segment(call: MintCall) -> str:
    return call.rpartition("/")[2]


def everything_kept_in(error: BaseException | None) -> str:
    """An error and all that led to it, with whatever they hold."""
    if error is None:
        return ""
    grant = f"{error!r} {error.args!r} {vars(error)!r} {getattr(error, 'doc', '')}"
    return grant + everything_kept_in(error.__cause__) + everything_kept_in(error.__context__)


async def test_an_admin_secret_makes_an_admin_ks_for_an_hour(kaltura: FakeKaltura) -> None:
    minted = await mint(kaltura, SECRET)()
    assert minted.ks.get_secret_value() == f"{MINTED_KS}-1"
    assert minted.expires_at is None
    [sent] = kaltura.calls
    assert str(sent.request.url) == "https://core.test/api_v3/service/session/action/start"
    assert sent.body == {
        "partnerId": "12345",
        "secret": ADMIN_SECRET,
        "type": "2",
        "expiry": "3600",
        "format": "1",
    }


async def test_an_app_token_is_hashed_with_a_widget_ks_and_never_sent(kaltura: FakeKaltura) -> None:
    minted = await mint(kaltura, TOKEN)()
    assert minted.ks.get_secret_value() == f"{MINTED_KS}-1"
    widget, start = kaltura.calls
    service = "https://core.test/api_v3/service"
    assert str(widget.request.url) == f"{service}/session/action/startWidgetSession"
    assert widget.body == {"widgetId": "_12345", "format": "1"}
    assert str(start.request.url) == f"{service}/appToken/action/startSession"
    assert start.body == {
        "ks": WIDGET_KS,
        "id": "1_token",
        "tokenHash": HASHES["sha256"],
        "type": "2",
        "expiry": "3600",
        "format": "1",
    }
    assert not any(APP_TOKEN.encode() in call.request.content for call in kaltura.calls)


@pytest.mark.parametrize("hash_type", HASHES)
async def test_an_app_token_of_any_hash_type_will_do(kaltura: FakeKaltura, hash_type: str) -> None:
    wrong_before = list(HASH_TYPES).index(hash_type)
    kaltura.will(
        "startSession", *(exception("INVALID_APP_TOKEN_HASH") for _ in range(wrong_before))
    )
    minted = await mint(kaltura, TOKEN)()
    assert minted.ks.get_secret_value() == f"{MINTED_KS}-1"
    assert kaltura.calls[-1].body["tokenHash"] == HASHES[hash_type]
    assert kaltura.operations().count("startWidgetSession") == 1


async def test_an_app_token_that_no_hash_fits_is_refused(kaltura: FakeKaltura) -> None:
    kaltura.will("startSession", *(exception("INVALID_APP_TOKEN_HASH") for _ in HASH_TYPES))
    with pytest.raises(errors.CredentialsRejectedError):
        await mint(kaltura, TOKEN)()
    assert kaltura.minted == 0


async def test_when_the_ks_lapses_is_taken_from_the_answer(kaltura: FakeKaltura) -> None:
    body = {"ks": "djJ8", "expiry": 1_800_003_600, "objectType": "KalturaSessionInfo"}
    kaltura.will("startSession", httpx.Response(200, json=body))
    assert (await mint(kaltura, TOKEN)()).expires_at == 1_800_003_600


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (MintCall.START, "START_SESSION_ERROR"),
        (MintCall.START_WIDGET_SESSION, "INVALID_WIDGET_ID"),
        (MintCall.START_SESSION, "APP_TOKEN_ID_NOT_FOUND"),
        (MintCall.START_SESSION, "APP_TOKEN_NOT_ACTIVE"),
        (MintCall.START_SESSION, "APP_TOKEN_EXPIRED"),
        (MintCall.START_SESSION, "SERVICE_FORBIDDEN"),
    ],
)
async def test_refused_credentials_are_told_apart(
    kaltura: FakeKaltura, call: MintCall, code: str
) -> None:
    kaltura.will(last_segment(call), exception(code))
    with pytest.raises(errors.CredentialsRejectedError) as raised:
        await mint_with(kaltura, call)()
    assert raised.value.operation is call


def refusals() -> Iterator[Any]:
    """An answer that means the same for every call, and the error that it becomes."""
    for status in (401, 403):
        yield refusal(status), errors.CredentialsRejectedError
    for status in (302, 307, 400, 404):
        yield refusal(status), errors.RejectedError
    yield refusal(429), errors.BusyError
    for status in (500, 503):
        yield refusal(status), errors.ServerFailedError
    yield httpx.ConnectError("refused"), errors.NotConnectedError
    yield httpx.ReadError("reset"), errors.LostAnswerError


def useless() -> Iterator[Any]:
    """An answer in which a call looks for what it asked for, and the error that it becomes."""
    yield refusal(401), errors.CredentialsRejectedError
    yield exception("INTERNAL_SERVERL_ERROR"), errors.RejectedError
    for text in ("", "<xml>canary-upstream-text", "null", "7", "[]", "{}", '{"ks": null}'):
        yield httpx.Response(200, text=text), errors.BrokenAnswerError
    for ks in ("", "canary-upstream-text\nX: y", "two words", "\u00e9", "k" * 8193):
        yield httpx.Response(200, json=ks), errors.BrokenAnswerError
        yield httpx.Response(200, json={"ks": ks}), errors.BrokenAnswerError
    yield httpx.Response(200, text='"' + "k" * MAX_ANSWER_BYTES + '"'), errors.BrokenAnswerError


@pytest.mark.parametrize(
    ("call", "answer", "error"),
    [
        *((MintCall.START, *told) for told in refusals()),
        *((call, *told) for call in MintCall for told in useless()),
    ],
)
async def test_whatever_kaltura_answers_becomes_a_typed_error_that_quotes_nothing(
    kaltura: FakeKaltura,
    call: MintCall,
    answer: httpx.Response | Exception,
    error: type[errors.KalturaError],
) -> None:
    if isinstance(answer, httpx.Response):
        answer = httpx.Response(answer.status_code, content=answer.content)
    kaltura.will(last_segment(call), answer)
    with pytest.raises(error) as raised:
        await mint_with(kaltura, call)()
    assert raised.value.operation is call
    assert kaltura.operations()[-1] == last_segment(call)
    kept = everything_kept_in(raised.value)
    for canary in ("canary-upstream-text", ADMIN_SECRET, APP_TOKEN, WIDGET_KS):
        assert canary not in kept


@every_call
async def test_a_stalled_answer_times_out(kaltura: FakeKaltura, call: MintCall) -> None:
    kaltura.will(last_segment(call), asyncio.Event().wait)  # type: ignore[arg-type] # never answers
    with pytest.raises(errors.TimedOutError):
        await mint_with(kaltura, call, seconds=0.01)()


@pytest.mark.parametrize("credentials", [SECRET, TOKEN])
async def test_nothing_is_in_a_url_and_no_secret_in_a_repr(
    kaltura: FakeKaltura, credentials: AdminSecret | AppToken
) -> None:
    minted = await mint(kaltura, credentials)()
    for call in kaltura.calls:
        assert call.request.method == "POST"
        assert call.request.url.query == b""
        assert "canary" not in str(call.request.url)
    assert "canary" not in repr((credentials, minted))
