"""The login's keys: fetched when they are needed, kept for a while, never in a flood."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, RSAKey

from app.identity.keys import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, LoginKeys
from app.kaltura.transport import MAX_ANSWER_BYTES
from app.problems import SignInUnavailable
from tests.doubles import FakeClock
from tests.identity.login import JWKS_URL, FakeLogin, Held, made_key, published

FIRST, SECOND = made_key("first"), made_key("second", "P-256")


@pytest.fixture
def login(clock: FakeClock) -> FakeLogin:
    return FakeLogin(clock)


@pytest.fixture
async def keys(login: FakeLogin, clock: FakeClock) -> AsyncIterator[LoginKeys]:
    found = LoginKeys(JWKS_URL, login, clock)
    yield found
    await found.aclose()


async def kid_of(keys: LoginKeys, kid: str | None) -> str | None:
    found = await keys.key(kid)
    return None if found is None else found.kid


async def settled(keys: LoginKeys) -> None:
    if keys._fetching is not None:
        await keys._fetching


async def test_nothing_is_fetched_before_it_is_needed_and_then_once(
    keys: LoginKeys, login: FakeLogin
) -> None:
    assert login.asked == 0
    for _ in range(3):
        assert await kid_of(keys, "first") == "first"
    assert login.asked == 1
    [request] = login.requests
    assert (request.method, str(request.url)) == ("GET", JWKS_URL)
    assert "Authorization" not in request.headers


async def test_callers_at_once_wait_for_one_fetch(keys: LoginKeys, login: FakeLogin) -> None:
    held = Held(published(FIRST))
    login.script.append(held)
    asking = [asyncio.create_task(keys.key("first")) for _ in range(50)]
    await held.reached.wait()
    held.come.set()
    assert all(await asyncio.gather(*asking))
    assert login.asked == 1


async def test_a_slow_login_is_asked_once_at_a_time(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    held = Held(published(FIRST))
    login.script.append(held)
    first = asyncio.create_task(keys.key("first"))
    await held.reached.wait()
    clock.advance(PAUSE_SECONDS)
    second = asyncio.create_task(keys.key("first"))
    await asyncio.sleep(0)
    held.come.set()
    assert await first is await second is not None
    assert login.asked == 1


async def test_a_login_that_never_answers_is_not_waited_for(
    keys: LoginKeys, login: FakeLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.identity.keys.FETCH_SECONDS", 0.01)
    login.script.append(Held(published(FIRST)))
    async with asyncio.timeout(10):
        with pytest.raises(SignInUnavailable):
            await keys.key("first")


async def test_whoever_asked_first_and_is_gone_takes_the_fetch_from_nobody(
    keys: LoginKeys, login: FakeLogin
) -> None:
    held = Held(published(FIRST))
    login.script.append(held)
    first, second = (asyncio.create_task(keys.key("first")) for _ in range(2))
    await held.reached.wait()
    first.cancel()
    held.come.set()
    assert await second is not None
    assert login.asked == 1


async def test_a_key_that_is_new_is_found(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.key("first")
    login.keys = [FIRST, SECOND]
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "second") == "second"
    assert login.asked == 2


async def test_a_flood_of_made_up_keys_is_no_flood_of_fetches(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.key("first")
    clock.advance(PAUSE_SECONDS - 1)
    for number in range(100):
        assert await keys.key(f"made-up-{number}") is None
    assert login.asked == 1
    clock.advance(1)
    await asyncio.gather(*(keys.key(f"made-up-{number}") for number in range(100)))
    assert login.asked == 2
    assert await kid_of(keys, "first") == "first"


async def test_a_failing_login_is_not_asked_in_a_flood_either(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    login.always = httpx.ConnectError("refused")
    for _ in range(100):
        with pytest.raises(SignInUnavailable) as raised:
            await keys.key("first")
    assert raised.value.retry_after == PAUSE_SECONDS
    assert login.asked == 1
    login.always = None
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"


async def test_older_keys_serve_while_new_ones_are_on_their_way(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.key("first")
    clock.advance(FRESH_SECONDS)
    held = Held(published(SECOND))
    login.script.append(held)
    async with asyncio.timeout(5):
        assert await kid_of(keys, "first") == "first"
        await held.reached.wait()
    held.come.set()
    await settled(keys)
    assert await kid_of(keys, "first") is None, "the login has withdrawn it"
    assert await kid_of(keys, "second") == "second"
    assert login.asked == 2


async def test_old_keys_serve_while_the_login_is_down_but_not_for_ever(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.key("first")
    login.always = httpx.Response(500)
    clock.advance(STALE_SECONDS - 1)
    assert await kid_of(keys, "first") == "first"
    await settled(keys)
    clock.advance(1)
    for kid in ("first", "other", None):
        with pytest.raises(SignInUnavailable):
            await keys.key(kid)
    login.always = None
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"keys": [FIRST.as_dict(private=False)]}),
        httpx.Response(302, headers={"Location": "https://elsewhere.test/keys"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[FIRST.as_dict(private=False)]),
        httpx.Response(200, json={"keys": {}}),
        httpx.Response(200, json={"keys": []}),
        httpx.Response(200, json={"keys": ["x", None, {"kty": "RSA"}, {"kty": ["RSA"]}]}),
        httpx.Response(200, content=b"[" * 60_000),
        httpx.Response(200, content=b" " * MAX_ANSWER_BYTES + published(FIRST).content),
        httpx.ReadError("reset"),
        TimeoutError(),
        OSError("unreachable"),
    ],
    ids=lambda answer: type(answer).__name__,
)
async def test_an_answer_that_is_of_no_use_is_as_none(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock, answer: Any
) -> None:
    login.script.append(answer)
    with pytest.raises(SignInUnavailable):
        await keys.key("first")
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"
    clock.advance(PAUSE_SECONDS)
    login.script.append(answer if isinstance(answer, Exception) else httpx.Response(500))
    assert await kid_of(keys, "another") is None
    assert await kid_of(keys, "first") == "first", "the old keys are kept"


@pytest.mark.parametrize("changes", [{"use": "enc"}, {"use": "tls"}, {"kty": "unheard-of"}])
async def test_keys_for_other_uses_are_left_aside(
    keys: LoginKeys, login: FakeLogin, changes: dict[str, str]
) -> None:
    useless = {**SECOND.as_dict(private=False), **changes}
    good = FIRST.as_dict(private=False)
    login.script.append(httpx.Response(200, json={"keys": [useless, good]}))
    assert await kid_of(keys, "first") == "first"
    assert await kid_of(keys, "second") is None


async def test_keys_that_are_weak_or_shared_secrets_are_left_aside(
    keys: LoginKeys, login: FakeLogin
) -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    secret = OctKey.generate_key(256, {"kid": "secret"})
    listed = [key.as_dict(private=isinstance(key, OctKey)) for key in (weak, secret, FIRST)]
    login.script.append(httpx.Response(200, json={"keys": listed}))
    assert await keys.key("weak") is None
    assert await keys.key("secret") is None
    assert await kid_of(keys, "first") == "first"


async def test_a_token_without_a_key_id_means_the_only_key_there_is(
    keys: LoginKeys, login: FakeLogin, clock: FakeClock
) -> None:
    assert await kid_of(keys, None) == "first"
    login.keys = [FIRST, SECOND]
    clock.advance(FRESH_SECONDS)
    await keys.key(None)
    await settled(keys)
    assert await keys.key(None) is None


async def test_what_is_open_is_closed_at_the_end(clock: FakeClock) -> None:
    login = FakeLogin(clock)
    keys = LoginKeys(JWKS_URL, login, clock)
    held = Held(published(FIRST))
    login.script.append(held)
    asking = asyncio.create_task(keys.key("first"))
    await held.reached.wait()
    await keys.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert login.closed
