"""The page needs nothing of a player but what the SDK documents, and copes without the SDK."""

from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.browser.avatar_page import PATIENCE_MS, AvatarPage, Demo, eventually
from tests.browser.conftest import SDK_URL

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAND_IN = Path(__file__).with_name("stand_in_sdk.js")


async def test_the_documented_surface_of_the_sdk_is_enough(tab: AvatarPage, sdk_demo: Demo) -> None:
    async def serve(route: Route) -> None:
        await route.fulfill(path=STAND_IN, headers={"Access-Control-Allow-Origin": "*"})

    await tab.page.route(SDK_URL, serve)
    await tab.page.goto(sdk_demo.url)
    session_id = await tab.start()
    frames = await tab.frames()
    await eventually(lambda: tab.shown(frames + 20), "frames are decoded")

    began = await tab.media_time()
    await tab.speak("These words come through the stand-in.")
    await expect(tab.fates.first).to_contain_text("accepted")
    await expect(tab.page.locator("#caption")).to_have_text(
        "These words come through the stand-in."
    )
    await eventually(lambda: tab.loud_since(began), "the voice is heard")

    await tab.button("End").click()
    await tab.status_is("Ended")
    await eventually(lambda: sdk_demo.session_is(session_id, "ended"), "the session is ended")
    assert await tab.page.evaluate("undocumented") == []
    await expect(tab.page.locator("#note")).to_be_hidden()


@pytest.mark.parametrize("sdk", ["dead", "silent"])
async def test_without_the_sdk_the_bundled_player_steps_in_and_the_page_says_so(
    tab: AvatarPage, sdk_demo: Demo, sdk: str
) -> None:
    async def fail(route: Route) -> None:
        if sdk == "dead":
            await route.abort()

    tab.tolerated = (SDK_URL,)
    await tab.page.route(SDK_URL, fail)
    await tab.page.goto(sdk_demo.url, wait_until="commit")
    note = tab.page.get_by_text("the bundled player shows the avatar")
    await expect(note).to_be_visible(timeout=PATIENCE_MS)
    await tab.start()
    frames = await tab.frames()
    await eventually(lambda: tab.shown(frames + 5), "frames are decoded")
    await tab.button("End").click()
    await tab.status_is("Ended")
