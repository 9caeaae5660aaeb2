"""A browser that is gone without a word leaves no session behind."""

import os
import signal

import pytest

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo, Launch

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
