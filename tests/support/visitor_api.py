"""Calls of the visitor API, as tests make them."""

from collections.abc import Awaitable, Callable
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx

from app.kaltura.breaker import THRESHOLD
from tests.support.audio import wav
from tests.support.doubles import FakeClock, FakeKaltura, refusal

CREATE = "/api/create-avatar-session"


ORIGIN = "http://broker.test"
HTTPS = {"public_url": "https://avatar.example.com"}

Visit = Callable[..., Awaitable[httpx.AsyncClient]]
"""Starts the broker once, with these settings, and gives a new visitor at each call."""


async def opened(visitor: httpx.AsyncClient) -> dict[str, Any]:
    answer = await visitor.post(CREATE, json={})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def path(session: dict[str, Any], control: str = "") -> str:
    return f"/api/avatar-sessions/{session['sessionId']}" + (f"/{control}" if control else "")


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['token']}"}


def is_problem(answer: httpx.Response, name: str, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == body["status"] == status
        and answer.headers["Content-Type"] == "application/problem+json"
        and body["type"] == f"/problems/{name}"
        and bool(body["title"] and body["detail"])
        and body["requestId"] == answer.headers["X-Request-ID"]
    )


CONTROLS: dict[str, dict[str, Any]] = {
    "speak": {"json": {"text": "Hello"}},
    "speak-audio": {"files": {"audio": ("a.wav", wav(1), "audio/wav")}},
    "interrupt": {},
    "keep-alive": {},
    "end": {},
}


UPSTREAM = {"speak": "say-text", "speak-audio": "say-audio"}


async def outage(visitor: httpx.AsyncClient, kaltura: FakeKaltura) -> None:
    """As many creates that fail as it takes to see that Kaltura is down."""
    kaltura.will("create", *(refusal(500) for _ in range(THRESHOLD)))
    for _ in range(THRESHOLD):
        assert is_problem(await visitor.post(CREATE), "kaltura-error", 502)


async def said(visitor: httpx.AsyncClient, *texts: str, clock: FakeClock | None = None) -> str:
    """A session of this visitor's in which these texts were said.

    Where there are more than may stand in line, the `clock` lets each be over first.
    """
    session = (await visitor.post("/api/create-avatar-session", json={})).json()
    path = f"/api/avatar-sessions/{session['sessionId']}"
    for text in texts:
        assert (await visitor.post(f"{path}/speak", json={"text": text})).status_code == 200
        if clock is not None:
            await clock.pass_by(2, step=2)
    return str(session["sessionId"])


def keyed(key: str) -> dict[str, str]:
    """The header under which a create may be repeated."""
    return {"Idempotency-Key": key}


def cookie_of(answer: httpx.Response) -> "Morsel[str]":
    """The only cookie that an answer sets."""
    [cookie] = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return cookie
