"""A session outlives a reload, and never a tab that is gone."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")


def panel(tab: AvatarPage) -> Locator:
    return tab.page.locator("section[aria-labelledby=offer-title]")


async def test_what_was_said_queued_and_written_outlives_a_reload(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await tab.speak("This was said.")
    await expect(tab.fates.first).to_have_text("said")
    goes_on = "This one goes on for a while, and it is heard on both pages. " * 2
    await tab.speak(goes_on)
    await expect(tab.fates.first).to_have_text("speaking")
    await tab.speak("This is heard on the second page.")
    await expect(tab.fates).to_have_count(3)
    await tab.text.fill("This is not finished")
    await tab.page.reload()
    await expect(tab.text).to_have_value("This is not finished")
    await tab.status_is("Ready")
    await expect(panel(tab)).to_contain_text("14:")
    await expect(tab.page.locator("button.primary:visible:enabled")).to_have_text(["Resume"])
    await tab.button("Resume").click()
    await tab.status_is("Live")
    await expect(panel(tab)).to_be_hidden()
    await tab.probe()
    lines = tab.page.locator(".transcript .words")
    await expect(lines).to_have_text(
        ["This is heard on the second page.", goes_on.strip(), "This was said."]
    )
    caption = tab.page.locator(".caption:visible")
    await expect(caption).to_contain_text("This one goes on for a while")
    await expect(tab.fates).to_have_text([re.compile("accepted|queued"), "speaking", "said"])
    begun = await tab.caption_shown("This is heard on the second page.")
    await eventually(lambda: tab.loud_since(begun), "it is heard")
    await expect(tab.fates).to_have_text(["said"] * 3)
    await expect(tab.text).to_have_value("This is not finished")
    await tab.sees_the_picture_go_on()
    assert tab.session_ids == [session_id]
    async with tab.page.expect_download() as saving:
        await tab.button("Save as WebVTT").click()
    saved = (await (await saving.value).path()).read_text(encoding="utf-8")
    assert saved.count("This was said.") == 1
    await tab.button("End").click()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_a_session_that_is_offered_can_be_ended(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await tab.page.reload()
    await expect(panel(tab)).to_contain_text("Your avatar is still here")
    await expect(tab.page.get_by_text("Your words, face to face.")).to_be_hidden()
    await tab.button("End it").click()
    await tab.status_is("Ended")
    await expect(panel(tab)).to_be_hidden()
    await expect(tab.button("Start")).to_be_focused()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_a_page_that_was_only_kept_shows_its_avatar_again(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    session_id = await tab.start()
    await _keep_away(tab.page)
    await tab.status_is("Live")
    await tab.probe()
    await tab.sees_the_picture_go_on()
    assert tab.session_ids == [session_id]
    await tab.button("End").click()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def _keep_away(page: Page) -> None:
    """What a browser does that keeps the page while another is shown, and brings it back."""
    async with page.expect_response("**/resume"):
        await page.evaluate(
            """for (const event of ["pagehide", "pageshow"])
              dispatchEvent(new PageTransitionEvent(event, {persisted: true}))"""
        )
