"""A visitor talks through the avatar: what is seen, heard and ended is real."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo, running_demo
from tests.support.processes import BACKSTAGE, running

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "I could go on about this for a very long time, because there is so much to be said. " * 11


@pytest.fixture
def moving_demo(tmp_path: Path) -> Iterator[Demo]:
    """A broker before an emulator whose picture moves."""
    with (
        running("emulator", tmp_path, ready=BACKSTAGE) as emulator,
        running_demo(emulator, tmp_path) as demo,
    ):
        yield demo


async def test_the_avatar_is_seen_heard_stopped_and_ended(
    moving_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.goto(moving_demo.url)
    await tab.status_is("Ready")
    session_id = await tab.start()
    assert await moving_demo.session_is(session_id, "live")

    await tab.sees_the_picture_go_on()
    resting = await tab.mouth_motion(20)

    await tab.speak(LONG)
    await expect(tab.fates.first).to_contain_text("speaking")
    began = await tab.media_time()
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    assert await tab.mouth_motion(20) > 4 * resting + 2

    await tab.button("Stop").click()
    await expect(tab.fates.first).to_contain_text("stopped")
    await tab.goes_silent(seconds=1)

    await tab.button("End").click()
    await tab.status_is("Ended")
    await eventually(lambda: moving_demo.session_is(session_id, "ended"), "the session is ended")


async def test_end_while_connecting_leaves_no_session_behind(tab: AvatarPage, demo: Demo) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def create_late(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    await tab.page.route("**/api/create-avatar-session", create_late)
    await tab.page.goto(demo.url)
    async with tab.page.expect_response("**/api/create-avatar-session") as created:
        await tab.button("Start").click()
        await asked.wait()
        await tab.button("End").click()
        await tab.status_is("Ended")
        answered.set()
    session_id = (await (await created.value).json())["sessionId"]
    await eventually(lambda: demo.session_is(session_id, "ended"), "it is ended all the same")
    await tab.status_is("Ended")


async def test_closing_the_tab_ends_the_session(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await tab.page.close()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_closing_the_tab_right_after_end_still_ends_it(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await tab.button("End").click(no_wait_after=True)
    await tab.page.close()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_start_opens_one_session_however_often_it_is_clicked_and_shows_its_token_nowhere(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    async with tab.page.expect_response("**/api/create-avatar-session") as created:
        await tab.button("Start").dblclick()
    await tab.status_is("Live")
    await expect(tab.button("Start")).to_be_disabled()
    assert len(tab.session_ids) == 1
    token = (await (await created.value).json())["token"]
    await tab.page.get_by_text("Developer").click()
    shown = await tab.page.locator("#inspector").inner_text()
    assert tab.session_ids[0] in shown
    assert "sealed" in shown
    assert "exp 20" in shown
    html = await tab.page.content()
    assert all(part not in html for part in token.split("."))
    await tab.button("End").click()
