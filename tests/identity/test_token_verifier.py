"""Whose token it is: the login's word counts when it is signed, meant for us, and in time."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import Key, OctKey, RSAKey

from app.identity.jwks import PAUSE_SECONDS, JwksCache
from app.identity.token_verifier import ALGORITHMS, MAX_NAME_LENGTH, MAX_TOKEN_LENGTH, TokenVerifier
from app.identity.visitor import Visitor
from tests.support.doubles import FakeClock
from tests.support.login import AUDIENCE, ISSUER, JWKS_URL, FakeLogin, made_key


@pytest.fixture
def login(clock: FakeClock) -> FakeLogin:
    return FakeLogin(clock)


@pytest.fixture
async def verifier(login: FakeLogin, clock: FakeClock) -> AsyncIterator[TokenVerifier]:
    keys = JwksCache(JWKS_URL, login, clock)
    yield TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=clock)
    await keys.aclose()


def part(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(content).decode().rstrip("=")


def public(key: Key) -> bytes:
    assert isinstance(key, RSAKey)
    return key.as_pem(private=False)


async def test_a_good_token_names_its_visitor(verifier: TokenVerifier, login: FakeLogin) -> None:
    visitor = await verifier.verify(login.token())
    assert visitor == Visitor.signed_in(ISSUER, "alice")
    assert visitor is not None
    assert visitor.name == "alice"


async def test_the_id_is_a_hash_of_who_says_it_and_of_whom() -> None:
    alice = Visitor.signed_in(ISSUER, "alice")
    others = [
        Visitor.signed_in(ISSUER, "bob"),
        Visitor.signed_in("https://other.test", "alice"),
        Visitor.signed_in("", "alice"),
    ]
    assert len({alice.id, *(other.id for other in others)}) == 4
    assert alice.id == Visitor.signed_in(ISSUER, "alice").id
    assert "alice" not in alice.id
    assert "alice" not in repr(alice)


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        *(("RSA", alg) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        *(("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")),
        *(("Ed25519", "EdDSA"), ("Ed25519", "Ed25519")),
    ],
)
async def test_every_algorithm_with_a_public_key_will_do(
    verifier: TokenVerifier, login: FakeLogin, kind: str, alg: str
) -> None:
    key = made_key(f"key-{kind}", kind)
    login.keys = [made_key("first"), key]
    for header in ({}, {"kid": None}):
        token = login.token(key, alg=alg, header=header)
        assert await verifier.verify(token) is not None
        head, claims, signature = token.split(".")
        forged = f"{head}.{claims}.{'A' * len(signature)}"
        assert await verifier.verify(forged) is None


@pytest.mark.parametrize("header", [{"kid": None}, {"kid": "first"}])
async def test_a_new_key_is_found_that_no_id_tells_from_the_old_one(
    verifier: TokenVerifier, login: FakeLogin, clock: FakeClock, header: dict[str, Any]
) -> None:
    assert await verifier.verify(login.token(header=header)) is not None
    login.keys = [renewed := RSAKey.generate_key(2048, {"kid": "first"})]
    clock.advance(PAUSE_SECONDS)
    for _ in range(10):
        assert await verifier.verify(login.token(renewed, header=header)) is not None
        assert await verifier.verify(login.token(made_key("imposter"), header=header)) is None
    assert login.asked == 2, "those that nobody signed are no flood of fetches"


async def test_a_token_of_another_key_is_nobodys(verifier: TokenVerifier, login: FakeLogin) -> None:
    imposter = made_key("imposter")
    assert await verifier.verify(login.token(imposter, header={"kid": "first"})) is None
    assert await verifier.verify(login.token(imposter, header={"kid": None})) is None
    assert await verifier.verify(login.token(imposter)) is None
    assert await verifier.verify(login.token(header={"kid": None})) is not None


async def test_changed_claims_are_nobodys(verifier: TokenVerifier, login: FakeLogin) -> None:
    alice, bob = (login.token(sub=name).split(".") for name in ("alice", "bob"))
    assert await verifier.verify(f"{alice[0]}.{bob[1]}.{alice[2]}") is None


async def test_the_public_key_is_no_secret_to_sign_with(
    verifier: TokenVerifier, login: FakeLogin, clock: FakeClock
) -> None:
    key = made_key("first")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(clock()) + 60}
    jwk = json.dumps(key.as_dict(private=False)).encode()
    for secret in (public(key), jwk):
        signer = OctKey(secret, secret)
        for alg in ("HS256", "HS384", "HS512"):
            header = {"alg": alg, "kid": "first"}
            assert await verifier.verify(jwt.encode(header, claims, signer, [alg])) is None


def test_no_algorithm_is_known_that_signs_with_what_is_public() -> None:
    assert not [alg for alg in ALGORITHMS if alg.startswith(("HS", "none"))]


async def test_no_signature_signs_nothing(
    verifier: TokenVerifier, login: FakeLogin, clock: FakeClock
) -> None:
    _, claims, signature = login.token().split(".")
    for alg in ("none", "None", "NONE", "", None, ["RS256"], 256):
        head = part({"alg": alg, "kid": "first"})
        assert await verifier.verify(f"{head}.{claims}.") is None
        assert await verifier.verify(f"{head}.{claims}.{signature}") is None
    assert await verifier.verify(f"{part({'kid': 'first'})}.{claims}.{signature}") is None


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"iss": [ISSUER]},
        {"aud": "another-app"},
        {"aud": ["another-app"]},
        {"aud": None},
        {"aud": ""},
        {"aud": {AUDIENCE: 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        *({"sub": sub} for sub in ("a\x00b", "a\nb", "\x85", "\u2028", " ")),
        {"sub": "x" * (MAX_NAME_LENGTH + 1)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": "now"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_meant_for_us_or_says_too_little_is_nobodys(
    verifier: TokenVerifier, login: FakeLogin, claims: dict[str, Any]
) -> None:
    assert await verifier.verify(login.token(**claims)) is None


async def test_a_name_is_any_text_of_one_line(verifier: TokenVerifier, login: FakeLogin) -> None:
    for name in ("Jürgen Müller", "علی\u200cرضا", "李", "auth0|7", "a\u0308"):
        visitor = await verifier.verify(login.token(sub=name))
        assert visitor is not None
        assert visitor.name == name


@pytest.mark.parametrize("claim", ["sub", "aud", "iss"])
async def test_half_a_character_is_nobodys_name(
    verifier: TokenVerifier, clock: FakeClock, claim: str
) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(clock()) + 60}
    assert await verifier.verify(_signed({}, part(claims))) is not None
    assert await verifier.verify(_signed({}, part(claims | {claim: "\ud800"}))) is None


async def test_one_of_several_audiences_will_do(verifier: TokenVerifier, login: FakeLogin) -> None:
    assert await verifier.verify(login.token(aud=["another-app", AUDIENCE])) is not None


async def test_a_token_is_good_in_its_time_and_a_minute_around_it(
    verifier: TokenVerifier, login: FakeLogin, clock: FakeClock
) -> None:
    now = int(clock())
    early = login.token(nbf=now + 70, iat=now, exp=now + 1000)
    late = login.token(exp=now)
    assert await verifier.verify(early) is None
    assert await verifier.verify(late) is not None
    clock.advance(10)
    assert await verifier.verify(early) is not None
    clock.advance(49)
    assert await verifier.verify(late) is not None
    clock.advance(1)
    assert await verifier.verify(late) is None


async def test_headers_that_we_do_not_know_do_no_harm_unless_they_must_be_known(
    verifier: TokenVerifier, login: FakeLogin
) -> None:
    plain = login.token()
    _, claims, _ = plain.split(".")
    assert await verifier.verify(_signed({"cat": "of Clerk's"}, claims)) is not None
    assert await verifier.verify(_signed({"cat": 1, "crit": ["cat"]}, claims)) is None


async def test_other_tokens_never_make_the_keys_be_fetched(
    verifier: TokenVerifier, login: FakeLogin, clock: FakeClock
) -> None:
    secret = OctKey.generate_key(256)
    ours = jwt.encode({"alg": "HS256"}, {"sub": "visitor", "sid": "session-1"}, secret)
    shared = jwt.encode({"alg": "HS256", "kid": "first"}, {"iss": ISSUER}, secret)
    for token in (
        ours,
        shared,
        login.token(iss="https://kaltura.test"),
        "shop-token-of-16-and-more",
    ):
        assert await verifier.verify(token) is None
    assert login.asked == 0


async def test_a_huge_token_is_not_even_looked_at(
    verifier: TokenVerifier, login: FakeLogin
) -> None:
    huge = login.token(pad="x" * MAX_TOKEN_LENGTH)
    assert len(huge) > MAX_TOKEN_LENGTH
    assert await verifier.verify(huge) is None
    assert login.asked == 0


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "a.b.c", "a.b.c.d", "\x00", "é.é.é", "🦊"),
        f"{part(b'[' * 5000)}.{part({})}.",
        f"{part({'alg': 'RS256'})}.{part(b'[' * 5000)}.",
        f"{part([])}.{part({'iss': ISSUER})}.",
        f"{part({'alg': 'RS256', 'kid': {}})}.{part({'iss': ISSUER})}.x",
        f"{part({'alg': 'RS256', 'kid': ['first']})}.{part({'iss': ISSUER})}.x",
        f"{part({'alg': 'RS256', 'b64': False, 'crit': ['b64']})}.{part({'iss': ISSUER})}.x",
        f"{part({'alg': 'RS256'})}.{part([ISSUER])}.x",
        f"{part({'alg': 'RS256'})}.{part(None)}.x",
        f"{part({'alg': 'RS256', 'kid': 'first'})}.{part({'iss': ISSUER})}.",
    ],
)
async def test_nonsense_is_nobodys_token(verifier: TokenVerifier, token: str) -> None:
    assert await verifier.verify(token) is None


def _signed(header: dict[str, Any], claims: str) -> str:
    """The same claims under other headers, by the right key, past joserfc's own checks."""
    key = made_key("first")
    assert isinstance(key, RSAKey)
    assert key.private_key is not None
    signed = f"{part({'alg': 'RS256', 'kid': 'first', **header})}.{claims}"
    signature = key.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{part(signature)}"
