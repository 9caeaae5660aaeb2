"""The visitor's cookie, and what a new SECRET_KEY leaves as it was."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.main import Transports, create_app
from app.sessions.clock import Clocks
from tests.support.doubles import FakeClock, FakeKaltura, settings
from tests.support.visitor_api import (
    CREATE,
    HTTPS,
    Visit,
    bearer,
    cookie_of,
    is_problem,
    opened,
    path,
)

OLD, NEW = "o" * 32, "n" * 32


@pytest.mark.parametrize("target", ["/", "/approaches"])
async def test_over_https_the_cookie_is_for_this_host_alone_and_for_no_script(
    visit: Visit, target: str
) -> None:
    visitor = await visit(**HTTPS)
    for answer in (await visitor.get(target), await (await visit()).post(CREATE)):
        cookie = cookie_of(answer)
        assert cookie.key == "__Host-avatar_visitor"
        assert (cookie["secure"], cookie["httponly"]) == (True, True)
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("lax", "/", "")


async def test_over_http_it_is_what_a_browser_takes_there(visitor: httpx.AsyncClient) -> None:
    cookie = cookie_of(await visitor.get("/"))
    assert (cookie.key, cookie["secure"], cookie["httponly"]) == ("avatar_visitor", "", True)


async def test_it_is_256_random_bits_that_mean_nothing(visit: Visit) -> None:
    values = [cookie_of(await (await visit()).get("/")).value for _ in range(20)]
    raw = [urlsafe_b64decode(f"{value}=") for value in values]
    assert {len(one) for one in raw} == {32}
    for place in zip(*raw, strict=True):
        assert len(set(place)) > 10, "every byte is another each time"


async def test_whoever_has_one_gets_no_other(visitor: httpx.AsyncClient) -> None:
    await visitor.get("/")
    for answer in (await visitor.get("/"), await visitor.post(CREATE)):
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("value", ["", "x", "x" * 42, "x" * 44, "x" * 42 + "=", "x" * 10_000])
async def test_one_that_we_never_make_is_replaced(visitor: httpx.AsyncClient, value: str) -> None:
    answer = await visitor.get("/", headers={"Cookie": f"avatar_visitor={value}"})
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie_of(answer).value)


async def test_over_https_one_that_a_neighbour_could_have_set_counts_for_nothing(
    visit: Visit,
) -> None:
    visitor = await visit(**HTTPS)
    answer = await visitor.post(CREATE, headers={"Cookie": f"avatar_visitor={'x' * 43}"})
    assert cookie_of(answer).key == "__Host-avatar_visitor"


async def test_the_cookie_itself_is_in_nothing_that_the_page_gets(
    visitor: httpx.AsyncClient,
) -> None:
    session = await opened(visitor)
    claims = urlsafe_b64decode(session["token"].split(".")[1] + "==")
    assert visitor.cookies["avatar_visitor"] not in f"{session} {json.loads(claims)}"


@asynccontextmanager
async def broker(
    folder: Path, kaltura: FakeKaltura, clock: FakeClock, **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A broker that leaves its sessions to the next one, in this folder."""
    app = create_app(
        settings(
            database_url=f"sqlite+aiosqlite:///{folder}/broker.db",
            shutdown_sessions="keep",
            **changes,
        ),
        transports=Transports(kaltura=kaltura),
        clocks=Clocks(wall=clock, monotonic=clock),
    )
    async with (
        LifespanManager(app) as manager,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(manager.app), base_url="http://broker.test"
        ) as visitor,
    ):
        yield visitor


async def test_a_new_key_before_the_old_one_logs_nobody_out(
    tmp_path: Path, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    async with broker(tmp_path, kaltura, clock, secret_key=OLD) as before:
        session = await opened(before)
        cookies = before.cookies
    async with broker(tmp_path, kaltura, clock, secret_key=f"{NEW},{OLD}") as rotated:
        assert (await rotated.post(path(session, "interrupt"), headers=bearer(session))).is_success
        rotated.cookies = cookies
        listed = (await rotated.get("/api/avatar-sessions")).json()["sessions"]
        assert [one["sessionId"] for one in listed] == [session["sessionId"]]
        resumed = (await rotated.post(path(session, "resume"))).json()
        assert resumed["token"] != session["token"], "the new key signs"
        assert is_problem(await rotated.post(CREATE), "too-many-sessions", 429)
        assert (await rotated.post(path(resumed, "speak"), json={"text": "Hello"})).is_success
        assert cookies == rotated.cookies


async def test_what_the_old_key_sealed_is_still_ended_after_a_rotation(
    tmp_path: Path, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    async with broker(tmp_path, kaltura, clock, secret_key=OLD) as before:
        session = await opened(before)
    async with broker(tmp_path, kaltura, clock, secret_key=f"{NEW},{OLD}") as rotated:
        assert (await rotated.post(path(session, "end"), headers=bearer(session))).is_success
    assert kaltura.operations()[-1] == "end"
