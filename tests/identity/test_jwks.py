"""The login's keys: fetched when they are needed, kept for a while, never in a flood."""

import asyncio
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey

from app.identity.jwks import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, JwksCache
from app.kaltura.transport import MAX_ANSWER_BYTES
from app.problems import SignInUnavailable
from tests.support.doubles import FakeClock
from tests.support.login import JWKS_URL, FakeLogin, Held, made_key, published

FIRST, SECOND = made_key("first"), made_key("second", "P-256")
NAMELESS = ECKey.generate_key("P-384")


@pytest.fixture
def login(clock: FakeClock) -> FakeLogin:
    return FakeLogin(clock)


@pytest.fixture
async def keys(login: FakeLogin, clock: FakeClock) -> AsyncIterator[JwksCache]:
    found = JwksCache(JWKS_URL, login, clock)
    yield found
    await found.aclose()


async def kid_of(keys: JwksCache, kid: str | None) -> str | None:
    found = await keys.candidates(kid)
    return found[0].kid if found else None


async def settled(keys: JwksCache) -> None:
    if keys._fetching is not None:
        await keys._fetching


async def test_nothing_is_fetched_before_it_is_needed_and_then_once(
    keys: JwksCache, login: FakeLogin
) -> None:
    assert login.asked == 0
    for _ in range(3):
        assert await kid_of(keys, "first") == "first"
    assert login.asked == 1
    [request] = login.requests
    assert (request.method, str(request.url)) == ("GET", JWKS_URL)
    assert "Authorization" not in request.headers


async def test_callers_at_once_wait_for_one_fetch(keys: JwksCache, login: FakeLogin) -> None:
    grant = Held(published(FIRST))
    login.script.append(grant)
    asking = [asyncio.create_task(keys.candidates("first")) for _ in range(50)]
    await grant.reached.wait()
    grant.come.set()
    assert all(await asyncio.gather(*asking))
    assert login.asked == 1


async def test_a_slow_login_is_asked_once_at_a_time(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    grant = Held(published(FIRST))
    login.script.append(grant)
    first = asyncio.create_task(keys.candidates("first"))
    await grant.reached.wait()
    clock.advance(PAUSE_SECONDS)
    second = asyncio.create_task(keys.candidates("first"))
    await asyncio.sleep(0)
    grant.come.set()
    assert await first == await second != []
    assert login.asked == 1


async def test_a_login_that_never_answers_is_not_waited_for(
    login: FakeLogin, clock: FakeClock
) -> None:
    keys = JwksCache(JWKS_URL, login, clock, fetch_seconds=0.01)
    login.script.append(Held(published(FIRST)))
    async with asyncio.timeout(10):
        with pytest.raises(SignInUnavailable):
            await keys.candidates("first")


async def test_whoever_asked_first_and_is_gone_takes_the_fetch_from_nobody(
    keys: JwksCache, login: FakeLogin
) -> None:
    grant = Held(published(FIRST))
    login.script.append(grant)
    first, second = (asyncio.create_task(keys.candidates("first")) for _ in range(2))
    await grant.reached.wait()
    first.cancel()
    grant.come.set()
    assert await second
    assert login.asked == 1


async def test_a_key_that_is_new_is_found(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.candidates("first")
    login.keys = [FIRST, SECOND]
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "second") == "second"
    assert login.asked == 2


async def test_a_flood_of_made_up_keys_is_no_flood_of_fetches(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.candidates("first")
    clock.advance(PAUSE_SECONDS - 1)
    for number in range(100):
        assert not await keys.candidates(f"made-up-{number}")
    assert login.asked == 1
    clock.advance(1)
    await asyncio.gather(*(keys.candidates(f"made-up-{number}") for number in range(100)))
    assert login.asked == 2
    assert await kid_of(keys, "first") == "first"


async def test_a_failing_login_is_not_asked_in_a_flood_either(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    login.always = httpx.ConnectError("refused")
    for _ in range(100):
        with pytest.raises(SignInUnavailable) as raised:
            await keys.candidates("first")
    assert raised.value.retry_after == PAUSE_SECONDS
    assert login.asked == 1
    login.always = None
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"


async def test_older_keys_serve_while_new_ones_are_on_their_way(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.candidates("first")
    clock.advance(FRESH_SECONDS)
    grant = Held(published(SECOND))
    login.script.append(grant)
    async with asyncio.timeout(5):
        assert await kid_of(keys, "first") == "first"
        await grant.reached.wait()
    grant.come.set()
    await settled(keys)
    assert await kid_of(keys, "first") is None, "the login has withdrawn it"
    assert await kid_of(keys, "second") == "second"
    assert login.asked == 2


async def test_old_keys_serve_while_the_login_is_down_but_not_for_ever(
    keys: JwksCache, login: FakeLogin, clock: FakeClock
) -> None:
    await keys.candidates("first")
    login.always = httpx.Response(500)
    clock.advance(STALE_SECONDS - 1)
    assert await kid_of(keys, "first") == "first"
    await settled(keys)
    clock.advance(1)
    for kid in ("first", "other", None):
        with pytest.raises(SignInUnavailable):
            await keys.candidates(kid)
    login.always = None
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"keys": [FIRST.as_dict(private=False)]}),
        httpx.Response(302, json={"keys": [FIRST.as_dict(private=False)]}),
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
    keys: JwksCache, login: FakeLogin, clock: FakeClock, answer: Any
) -> None:
    login.script.append(answer)
    with pytest.raises(SignInUnavailable):
        await keys.candidates("first")
    clock.advance(PAUSE_SECONDS)
    assert await kid_of(keys, "first") == "first"
    clock.advance(PAUSE_SECONDS)
    login.script.append(answer if isinstance(answer, Exception) else httpx.Response(500))
    assert await kid_of(keys, "another") is None
    assert await kid_of(keys, "first") == "first", "the old keys are kept"


@pytest.mark.parametrize("changes", [{"use": "enc"}, {"use": "tls"}, {"kty": "unheard-of"}])
async def test_keys_for_other_uses_are_left_aside(
    keys: JwksCache, login: FakeLogin, changes: dict[str, str]
) -> None:
    useless = {**SECOND.as_dict(private=False), **changes}
    good = FIRST.as_dict(private=False)
    login.script.append(httpx.Response(200, json={"keys": [useless, good]}))
    assert await kid_of(keys, "first") == "first"
    assert await kid_of(keys, "second") is None


async def test_keys_that_are_weak_or_shared_secrets_are_left_aside(
    keys: JwksCache, login: FakeLogin
) -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    secret = OctKey.generate_key(256, {"kid": "secret"})
    listed = [key.as_dict(private=isinstance(key, OctKey)) for key in (weak, secret, FIRST)]
    login.script.append(httpx.Response(200, json={"keys": listed}))
    assert not await keys.candidates("weak")
    assert not await keys.candidates("secret")
    assert await kid_of(keys, "first") == "first"


async def test_a_key_or_a_token_without_an_id_may_belong_to_any(
    keys: JwksCache, login: FakeLogin
) -> None:
    login.keys = [FIRST, SECOND, NAMELESS]
    assert [key.kid for key in await keys.candidates(None)] == ["first", "second", None]
    assert [key.kid for key in await keys.candidates("second")] == ["second", None]


# How the keys come


def led(*locations: str, status: int = 302) -> list[httpx.Response]:
    return [httpx.Response(status, headers={"Location": where}) for where in locations]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_few_redirects_over_https_are_followed(
    keys: JwksCache, login: FakeLogin, status: int
) -> None:
    elsewhere = "https://cdn.test/keys?v=2"
    login.script.extend(led("/realm/keys/", elsewhere, "https://cdn.test/3", status=status))
    assert await kid_of(keys, "first") == "first"
    asked = [str(request.url) for request in login.requests]
    assert asked == [JWKS_URL, f"{JWKS_URL}/", elsewhere, "https://cdn.test/3"]


@pytest.mark.parametrize(
    "locations",
    [
        ["http://login.test/realm/keys"],
        ["http://127.0.0.1/"],
        ["file:///etc/passwd"],
        ["data:application/json,{}"],
        ["https://\x7f/"],
        ["https://user:password@cdn.test/"],
        ["https://cdn.test/", "http://cdn.test/"],
        ["/1", "/2", "/3", "/4"],
    ],
    ids=str,
)
async def test_no_redirect_leads_anywhere_else_or_on_and_on(
    keys: JwksCache, login: FakeLogin, locations: list[str]
) -> None:
    login.script.extend(led(*locations))
    with pytest.raises(SignInUnavailable):
        await keys.candidates("first")
    assert login.asked == len(locations)


def compressed(content: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(content) + compressor.flush()


GZIP, ZLIB, RAW = 31, 15, -15


def encoded(body: bytes, encoding: str) -> httpx.Response:
    stream = httpx.ByteStream(body)
    return httpx.Response(200, headers={"Content-Encoding": encoding}, stream=stream)


@pytest.mark.parametrize(
    ("encoding", "window_bits"),
    [("gzip", GZIP), ("GZIP", GZIP), ("x-gzip", GZIP), ("deflate", ZLIB), ("deflate", RAW)],
)
async def test_compressed_keys_are_read(
    keys: JwksCache, login: FakeLogin, encoding: str, window_bits: int
) -> None:
    login.script.append(encoded(compressed(published(FIRST).content, window_bits), encoding))
    assert await kid_of(keys, "first") == "first"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (compressed(b" " * 10_000_000 + published(FIRST).content, GZIP), "gzip"),
        (compressed(published(FIRST).content, GZIP)[:-9], "gzip"),
        (published(FIRST).content, "gzip"),
        (b"", "gzip"),
        (compressed(published(FIRST).content, GZIP), "br"),
        (compressed(published(FIRST).content, GZIP), "gzip, gzip"),
    ],
    ids=["a bomb", "broken off", "not compressed", "nothing", "another way", "twice"],
)
async def test_what_unpacks_to_too_much_or_to_nothing_is_no_answer(
    keys: JwksCache, login: FakeLogin, body: bytes, encoding: str
) -> None:
    login.script.append(encoded(body, encoding))
    tracemalloc.start()
    try:
        with pytest.raises(SignInUnavailable):
            await keys.candidates("first")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 16 * MAX_ANSWER_BYTES, "no more is unpacked than can be an answer"


async def test_what_is_open_is_closed_at_the_end(clock: FakeClock) -> None:
    login = FakeLogin(clock)
    keys = JwksCache(JWKS_URL, login, clock)
    grant = Held(published(FIRST))
    login.script.append(grant)
    asking = asyncio.create_task(keys.candidates("first"))
    await grant.reached.wait()
    await keys.aclose()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert login.closed
