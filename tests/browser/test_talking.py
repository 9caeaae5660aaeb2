"""A visitor talks through the avatar: what is seen, heard and ended is real."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.support.avatar_page import PATIENCE_MS, AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

SILENT = 0.003
LONG = "I could go on about this for a very long time, because there is so much to be said. " * 4


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
    stopped = await tab.media_time()
    await eventually(lambda: tab.played(stopped + 2), "the media goes on after Stop")
    after = await tab.heard_since(stopped + 1)
    assert after
    assert max(sample["loudness"] for sample in after) < SILENT

    await tab.button("End").click()
    await tab.status_is("Ended")
    await eventually(lambda: moving_demo.session_is(session_id, "ended"), "the session is ended")


async def test_lines_are_said_in_order_with_their_words_as_captions(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    await tab.speak("This is the first line.")
    caption = tab.page.locator(".caption:visible")
    await expect(caption).to_have_text("This is the first line.")
    await tab.speak("And the second.")
    await expect(caption).to_have_text("And the second.")
    await expect(tab.fates).to_contain_text(["said", "said"], timeout=PATIENCE_MS)
    await expect(caption).to_have_count(0)
    await tab.button("End").click()


async def test_start_opens_one_session_however_often_it_is_clicked(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    await tab.button("Start").dblclick()
    await tab.status_is("Live")
    await expect(tab.button("Start")).to_be_disabled()
    assert len(tab.session_ids) == 1
    await tab.button("End").click()


async def test_end_and_start_again_gives_another_session(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    first = await tab.start()
    await tab.button("End").click()
    await tab.status_is("Ended")
    second = await tab.start()
    assert first != second
    await tab.sees_the_picture_go_on()
    await tab.button("End").click()
    await eventually(lambda: demo.session_is(second, "ended"), "the second session is ended")


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


async def test_leaving_the_page_ends_the_session(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await tab.page.goto("about:blank")
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_the_token_is_nowhere_in_the_page(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    async with tab.page.expect_response("**/api/create-avatar-session") as created:
        await tab.start()
    token = (await (await created.value).json())["token"]
    await tab.page.get_by_text("Developer").click()
    shown = await tab.page.locator("#inspector").inner_text()
    assert tab.session_ids[0] in shown
    assert "sealed" in shown
    assert "exp 20" in shown
    html = await tab.page.content()
    assert all(part not in html for part in token.split("."))
    await tab.button("End").click()
