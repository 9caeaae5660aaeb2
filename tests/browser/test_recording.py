"""A visitor's own voice: recorded in the page, listened to, and said by the avatar."""

import re

import pytest
from playwright.async_api import expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_is_recorded_is_said_by_the_avatar(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    await expect(tab.button("Record")).to_be_disabled()
    session_id = await tab.start()
    press = tab.page.keyboard.press

    await tab.button("Record").press("Enter")
    await expect(tab.button("Finish")).to_be_focused()
    await expect(tab.page.locator("#recorder-clock")).to_have_text(re.compile("0:0[2-9]"))
    await press("Enter")
    await expect(tab.button("Say it")).to_be_focused()
    await tab.button("Listen").click()
    await expect(tab.button("Pause")).to_be_visible()
    await expect(tab.button("Listen")).to_be_visible()

    before = await tab.media_time()
    await tab.button("Say it").click()
    await expect(tab.fates.first).to_contain_text("speaking")
    await eventually(lambda: tab.loud_since(before), "the recording is heard")
    await expect(tab.fates.first).to_contain_text("said")
    await expect(tab.button("Record")).to_be_focused()
    calls = (await demo.session(session_id))["calls"]
    assert [call["operation"] for call in calls].count("say-audio") == 1

    async with tab.page.expect_download() as saving:
        await tab.button("Save as WebVTT").click()
    saved = (await (await saving.value).path()).read_text(encoding="utf-8")
    assert saved.startswith("WEBVTT\n")
    assert "\nRecording, 0:0" in saved
    await tab.button("End").click()


async def test_who_may_not_use_the_microphone_is_told_how_to(tab: AvatarPage, demo: Demo) -> None:
    # As browsers refuse it; Chromium without a window allows it to all or to none.
    await tab.page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => "
        "Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))"
    )
    await tab.page.goto(demo.url)
    await tab.start()
    await tab.button("Record").click()
    await expect(tab.page.get_by_text("The microphone is not allowed here.")).to_be_visible()
    await expect(tab.button("Record")).to_be_focused()
    await tab.button("End").click()


async def test_who_may_not_speak_so_sees_no_recorder(tab: AvatarPage, demo: Demo) -> None:
    page = await (await tab.page.request.get(demo.url)).text()
    assert '"speak-audio", ' in page
    served = page.replace('"speak-audio", ', "", 1)
    await tab.page.route(
        demo.url + "/", lambda route: route.fulfill(body=served, content_type="text/html")
    )
    await tab.page.goto(demo.url + "/")
    await tab.status_is("Ready")
    await expect(tab.button("Record")).to_be_hidden()
