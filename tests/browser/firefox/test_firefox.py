"""The page once more in Firefox: what a visitor does there is in `scenarios.mjs`."""

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.support.browsers import program_of
from tests.support.demo import Demo
from tests.support.embedded_avatar import policy
from tests.support.processes import NODE, STOP_SECONDS
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNNER: Final = Path(__file__).with_name("runner.mjs")
START_SECONDS: Final = 60
SCENARIO_SECONDS: Final = 90

Play = Callable[..., Awaitable[None]]
"""Plays a scenario on the page of a broker, or on another, and fails with what went wrong there."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def play(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Play]:
    folder = tmp_path_factory.mktemp("firefox")
    firefox = program_of("firefox")
    # The profile goes with the folder.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / "runner.log").open("wb") as log:
        runner = await asyncio.create_subprocess_exec(
            NODE, RUNNER, firefox, stdin=PIPE, stdout=PIPE, stderr=log, env=environment
        )
    browser: int | None = None

    async def play(scenario: str, demo: Demo, url: str = "") -> None:
        asked = {"scenario": scenario, "url": url or demo.url, "emulatorUrl": demo.emulator_url}
        assert runner.stdin
        runner.stdin.write(json.dumps(asked).encode() + b"\n")
        verdict = await _told(runner, SCENARIO_SECONDS)
        if "error" in verdict:
            pytest.fail(verdict["error"], pytrace=False)

    try:
        browser = (await _told(runner, START_SECONDS))["pid"]
        yield play
    finally:
        await _end(runner, browser)


async def _told(runner: Process, seconds: float) -> Any:
    """The next line of the runner, read."""
    assert runner.stdout
    line = await asyncio.wait_for(runner.stdout.readline(), seconds)
    assert line, "the runner ended: see runner.log"
    return json.loads(line)


async def _end(runner: Process, browser: int | None) -> None:
    """Ends both with the input, and by force where that does not help."""
    assert runner.stdin
    runner.stdin.close()
    try:
        await asyncio.wait_for(runner.wait(), STOP_SECONDS)
    except TimeoutError:
        for pid in (runner.pid, browser):
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await runner.wait()


async def test_the_avatar_is_seen_heard_captioned_stopped_and_ended_and_says_a_recording(
    play: Play, demo: Demo
) -> None:
    await play("talking", demo)


async def test_a_session_and_its_transcript_outlive_a_reload_and_end_when_the_page_is_left(
    play: Play, demo: Demo
) -> None:
    await play("resuming", demo)


async def test_two_lines_on_a_page_of_another_origin_are_enough(
    play: Play, demo: Demo, site: Site
) -> None:
    site.policy = policy(demo)
    site.pages["/"] = (
        '<!doctype html><title>A shop</title><link rel="icon" href="data:,">'
        f'<script type="module" src="{demo.url}/avatar.js"></script>'
        "<kaltura-avatar></kaltura-avatar>"
    )
    await play("embedded", demo, site.url)
