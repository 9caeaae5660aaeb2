"""A browser that is gone without a word leaves no session behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo, Launch, RunDemo

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def impatient_demo(run_demo: RunDemo, tmp_path: Path) -> Iterator[Demo]:
    """A broker that soon ends what nobody watches; a page gives a sign of life every 10 s."""
    with run_demo(tmp_path, SESSION_IDLE_SECONDS="12") as demo:
        yield demo


async def test_a_browser_that_is_killed_leaves_no_session_behind(
    launch: Launch, impatient_demo: Demo
) -> None:
    browser = await launch()
    tab = AvatarPage(await browser.new_page())
    await tab.page.goto(impatient_demo.url)
    session_id = await tab.start()
    assert await impatient_demo.session_is(session_id, "live")

    devtools = await browser.new_browser_cdp_session()
    running = (await devtools.send("SystemInfo.getProcessInfo"))["processInfo"]
    (main,) = [process["id"] for process in running if process["type"] == "browser"]
    os.kill(main, signal.SIGKILL)
    await eventually(lambda: impatient_demo.session_is(session_id, "ended"), "the session is ended")
    await browser.close()
