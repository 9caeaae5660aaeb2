"""The start as a user sees it: an address when it is reached, or one line when it never is."""

from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.config.sources import SettingsError
from app.server.startup import Startup
from tests.support.processes import free_port, run


@pytest.mark.process
def test_a_start_that_fails_is_one_line_and_no_address(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        *("serve", "--port", "0"),
        AVATAR_KS="ks",
        AVATAR_ID="ada",
        SECRET_KEY="a-signing-key-for-tests-of-32-characters",
        DATABASE_URL=f"postgres://user:hush@127.0.0.1:{free_port()}/name",
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("avatar-broker: DATABASE_URL: Postgres can't be reached")
    assert len(ended.stderr.splitlines()) == 1
    assert "hush" not in ended.stderr


async def started(failure: Exception | None) -> tuple[Startup, list[Any]]:
    """What happens when an application starts, or fails to as Starlette does."""
    happened: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if failure is not None:
            await send({"type": "lifespan.startup.failed", "message": "a long traceback"})
            raise failure
        await send({"type": "lifespan.startup.complete"})

    async def send(message: Message) -> None:
        happened.append(message)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    startup = Startup(app, lambda: happened.append("announced"))
    try:
        await startup({"type": "lifespan"}, receive, send)
    except ArithmeticError as bug:
        happened.append(bug)
    return startup, happened


async def test_it_is_announced_when_it_is_done() -> None:
    startup, happened = await started(None)
    assert happened == ["announced", {"type": "lifespan.startup.complete"}]
    startup.raise_failure()


async def test_a_setting_that_it_fails_on_is_told_without_a_traceback() -> None:
    startup, happened = await started(SettingsError("DATABASE_URL: ..."))
    assert happened == [{"type": "lifespan.startup.failed"}]
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        startup.raise_failure()


async def test_a_bug_keeps_its_traceback() -> None:
    bug = ArithmeticError()
    startup, happened = await started(bug)
    assert happened == [{"type": "lifespan.startup.failed", "message": "a long traceback"}, bug]
    startup.raise_failure()
