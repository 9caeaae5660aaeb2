"""The page needs nothing of a player but what the SDK documents, and copes without the SDK."""

import pytest
from playwright.async_api import Route, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import SDK_URL, STAND_IN, Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def serve(route: Route) -> None:
    await route.fulfill(path=STAND_IN, headers={"Access-Control-Allow-Origin": "*"})


async def test_the_documented_surface_of_the_sdk_is_enough_also_to_resume(
    tab: AvatarPage, sdk_demo: Demo
) -> None:
    # It says nothing when the page goes, so its viewer's place may not be free at once.
    tab.tolerated = ("409",)
    await tab.page.route(SDK_URL, serve)
    await tab.page.goto(sdk_demo.url)
    session_id = await tab.start()
    await tab.sees_the_picture_go_on()
    assert await tab.page.evaluate("undocumented") == []
    await tab.page.reload()
    await tab.button("Resume").click()
    await tab.status_is("Live")
    await tab.probe()
    await tab.sees_the_picture_go_on()
    assert tab.session_ids == [session_id]

    began = await tab.media_time()
    await tab.speak("These words come through the stand-in.")
    await expect(tab.page.locator(".caption")).to_have_text(
        "These words come through the stand-in."
    )
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    # No player says when the voice begins and ends: the page hears it.
    await expect(tab.fates.first).to_have_text("said")

    await tab.button("End").click()
    await tab.status_is("Ended")
    await eventually(lambda: sdk_demo.session_is(session_id, "ended"), "the session is ended")
    assert await tab.page.evaluate("undocumented") == []
    await expect(tab.page.locator("#note")).to_be_hidden()


async def test_an_approach_shows_its_avatar_by_the_documented_surface_too(
    tab: AvatarPage, sdk_demo: Demo
) -> None:
    await tab.page.route(SDK_URL, serve)
    await tab.page.goto(f"{sdk_demo.url}/approaches")
    panel = tab.page.get_by_role("region", name="API control", exact=True)
    await panel.get_by_role("button", name="Run").click()
    await expect(panel.get_by_role("status")).to_have_text("Live")

    async def is_seen() -> bool:
        return bool(await panel.locator("video").evaluate("video => video.currentTime > 0"))

    await eventually(is_seen, "the picture goes on")
    await panel.get_by_role("button", name="End").click()
    await expect(panel.get_by_role("status")).to_have_text("Ended")
    assert await tab.page.evaluate("undocumented") == []


async def test_without_the_sdk_the_bundled_player_steps_in_and_the_page_says_so(
    tab: AvatarPage, sdk_demo: Demo
) -> None:
    tab.tolerated = (SDK_URL,)
    await tab.page.route(SDK_URL, lambda route: route.abort())
    await tab.page.goto(sdk_demo.url)
    note = tab.page.get_by_text("the bundled player shows the avatar")
    await expect(note).to_be_visible()
    await tab.start()
    await tab.sees_the_picture_go_on()
    await tab.button("End").click()
    await tab.status_is("Ended")


async def test_the_sdk_runs_only_with_the_hash_that_was_set(
    sdk_demo: Demo, tab: AvatarPage
) -> None:
    async def serve_another(route: Route) -> None:
        module = STAND_IN.read_bytes() + b"// and something else"
        headers = {"Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript"}
        await route.fulfill(body=module, headers=headers)

    tab.tolerated = (SDK_URL,)
    await tab.page.route(SDK_URL, serve_another)
    await tab.page.goto(sdk_demo.url)
    await expect(tab.page.locator("#note")).to_be_visible()
    assert not await tab.page.evaluate("'undocumented' in window")
