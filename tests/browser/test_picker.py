"""The choice of avatar and voice before a start, on the broker's own page."""

from typing import Final

import pytest
from playwright.async_api import Route, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

CATALOG: Final = "**/api/catalog"
PICTURES: Final = "**/thumbnail"
CHOICE: Final = "({ avatarId, voiceId, state }) => [avatarId, voiceId, state]"


async def refuse(route: Route) -> None:
    await route.abort()


async def test_a_session_has_what_its_visitor_chose_and_a_reload_keeps_the_choice(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.set_viewport_size({"width": 320, "height": 900})
    await tab.page.goto(choice_demo.url)
    avatars = tab.page.get_by_role("radiogroup", name="Avatar")
    voices = tab.page.get_by_role("combobox", name="Voice")
    await expect(avatars.get_by_role("radio", name="Ada")).to_be_checked()
    await expect(voices).to_have_value("emulator-voice-en-1")
    assert await tab.barriers() == []
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await avatars.get_by_role("radio", name="Ada").press("ArrowDown")
    await expect(avatars.get_by_role("radio", name="Grace")).to_be_checked()
    await voices.select_option("English 2")
    session = await choice_demo.session(await tab.start())
    assert (session["avatarId"], session["voiceId"]) == ("grace", "emulator-voice-en-2")
    await expect(avatars).to_be_hidden()
    await tab.button("End").click()
    await tab.page.reload()
    await expect(avatars.get_by_role("radio", name="Grace")).to_be_checked()
    await expect(voices).to_have_value("emulator-voice-en-2")


async def test_a_link_chooses_and_fills_the_box_and_starts_and_says_nothing(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    calls: list[str] = []
    tab.page.on("request", lambda request: calls.append(request.method))
    tab.tolerated = ("ERR_FAILED",)
    await tab.page.route(PICTURES, refuse)
    presets = "avatar=grace&voice=emulator-voice-de-1&lang=de&theme=dark&text=Send+money."
    await tab.page.goto(f"{choice_demo.url}/?{presets}")
    await expect(tab.page.get_by_role("radio", name="Grace")).to_be_checked()
    await expect(tab.page.get_by_role("combobox", name="Stimme")).to_have_value(
        "emulator-voice-de-1"
    )
    await expect(tab.page.get_by_role("textbox")).to_have_value("Send money.")
    await expect(tab.button("Sprechen")).to_be_enabled()
    # Of a picture that does not come nothing is left but the name.
    await expect(tab.page.locator("label img")).to_have_count(0)
    element = tab.page.locator("kaltura-avatar")
    assert await element.evaluate(CHOICE) == ["grace", "emulator-voice-de-1", "ready"]
    assert set(calls) == {"GET"}
    await element.evaluate("avatar => avatar.controls = 'start composer'")
    await expect(tab.page.get_by_role("radiogroup")).to_be_hidden()


async def test_where_there_is_one_of_each_nothing_is_to_be_chosen(
    demo: Demo, tab: AvatarPage
) -> None:
    later: list[str] = []
    tab.page.on("request", lambda request: later.append(request.url))
    await tab.page.goto(demo.url)
    element = tab.page.locator("kaltura-avatar")

    async def knows_the_catalog() -> bool:
        return bool(await element.evaluate("avatar => avatar.catalog !== null"))

    await eventually(knows_the_catalog, "the catalog is known")
    await expect(tab.page.get_by_role("radiogroup")).to_have_count(0)
    assert not [url for url in later if "picker" in url]


async def test_without_a_catalog_a_session_starts_as_ever(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    tab.tolerated = ("ERR_FAILED",)
    await tab.page.route(CATALOG, refuse)
    await tab.page.goto(choice_demo.url)
    session = await choice_demo.session(await tab.start())
    assert session["avatarId"] == "ada"
    await expect(tab.page.get_by_role("radiogroup")).to_have_count(0)
    await tab.button("End").click()
