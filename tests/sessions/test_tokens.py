"""The broker's own JWTs."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.tokens import Claims, InvalidTokenError, SessionTokens, expiry
from tests.support.doubles import FakeClock

OLD = SecretStr("an-old-key-of-at-least-32-characters")
NEW = SecretStr("a-new-key-of-at-least-32-characters!")
CLAIMS = Claims("visitor-1", "session-1")


def signed_with(clock: FakeClock, *keys: SecretStr) -> SessionTokens:
    return SessionTokens(Keyring(keys).signing(), SessionClock(clock, clock))


@pytest.fixture
def tokens(clock: FakeClock) -> SessionTokens:
    return signed_with(clock, OLD)


def test_a_token_is_three_parts_of_hs256_and_says_what_the_contract_says(
    tokens: SessionTokens, clock: FakeClock
) -> None:
    token = tokens.sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900)
    header, payload, signature = token.split(".")
    assert json.loads(_decoded(header))["alg"] == "HS256"
    assert json.loads(_decoded(payload)) == {
        "sub": "visitor-1",
        "sid": "session-1",
        "iat": int(clock.now),
        "exp": int(clock.now) + 900,
    }
    assert signature
    assert tokens.read(token) == CLAIMS


def test_a_token_says_when_its_time_is_over(tokens: SessionTokens, clock: FakeClock) -> None:
    token = tokens.sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900)
    clock.advance(899)
    assert not tokens.read(token).expired
    clock.advance(1)
    assert tokens.read(token).expired


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_opens(clock: FakeClock) -> None:
    before = signed_with(clock, OLD).sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900)
    rotated = signed_with(clock, NEW, OLD)
    after = rotated.sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900)
    assert rotated.read(before) == rotated.read(after) == CLAIMS
    with pytest.raises(InvalidTokenError):
        signed_with(clock, OLD).read(after)


def test_forged_tokens_are_refused(tokens: SessionTokens, clock: FakeClock) -> None:
    token = tokens.sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900)
    header, payload, signature = token.split(".")
    none = _encoded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    forged = json.loads(_decoded(payload)) | {"sid": "session-2"}
    for bad in (
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{header}.{_encoded(json.dumps(forged).encode())}.{signature}",
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{payload}",
        token + ".x",
        signed_with(clock, NEW).sign(CLAIMS, issued_at=clock.now, expires_at=clock.now + 900),
        # The raw secret is not the signing key, so no other use of SECRET_KEY can forge one.
        jwt.encode(
            {"alg": "HS256"},
            {"sub": "v", "sid": "session-1", "exp": int(clock.now) + 9},
            OctKey.import_key(OLD.get_secret_value()),
        ),
    ):
        with pytest.raises(InvalidTokenError):
            tokens.read(bad)


@pytest.mark.parametrize(
    "changes", [{"sid": 7}, {"sub": None}, {"exp": "9999999999"}, {"exp": None}]
)
def test_claims_of_the_wrong_type_are_refused(
    tokens: SessionTokens, clock: FakeClock, changes: dict[str, object]
) -> None:
    payload = {"sub": "v", "sid": "s", "exp": int(clock.now) + 9} | changes
    token = jwt.encode({"alg": "HS256"}, payload, tokens._keys[0])
    with pytest.raises(InvalidTokenError):
        tokens.read(token)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_no_other_string_is_a_token(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        signed_with(FakeClock(), OLD).read(token)


def test_kalturas_own_expiry_is_read_when_it_is_of_use() -> None:
    def token(payload: object) -> str:
        return f"e30.{_encoded(json.dumps(payload).encode())}.sig"

    assert expiry(token({"exp": 2_000}), now=1_000) == 2_000
    for useless in (token({"exp": 500}), token({"exp": "x"}), token([]), token({}), "x", "a.b.c"):
        assert expiry(useless, now=1_000) is None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "==")


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
