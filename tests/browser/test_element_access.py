"""Everyone can use `<kaltura-avatar>`: by name, in any language, in light, dark and own colours."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.accessibility import CONTRAST
from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo
from tests.support.embedded_avatar import EmbeddedAvatar
from tests.support.site import running_site
from tests.support.waiting_room import CREATE, WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")

AA: Final = 4.5
WORDS: Final = {
    "de": ("Starten", "Sprechen", "Beenden"),
    "ar": ("ابدأ", "انطق", "إنهاء"),
}
"""What the buttons are called."""


@pytest_asyncio.fixture(loop_scope="session")
async def avatar(browser: Browser, broker: Demo, port: int) -> AsyncIterator[EmbeddedAvatar]:
    context = await browser.new_context(viewport={"width": 320, "height": 900}, bypass_csp=True)
    async with running_site(port) as site:
        yield EmbeddedAvatar(await context.new_page(), site, broker)
        await context.close()


async def wrong(avatar: EmbeddedAvatar) -> list[str]:
    """What keeps someone from reading or using the element as it is now."""
    found: list[dict[str, Any]] = await avatar.page.evaluate(CONTRAST)
    faint = [f"{one['ratio']:.2f} {one['text']}" for one in found if one["ratio"] < AA]
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    sideways = ["it scrolls sideways"] if await avatar.page.evaluate(wide) else []
    return [*await AvatarPage(avatar.page).barriers(), *faint, *sideways]


@pytest.mark.parametrize(("language", "scheme"), [("de", "dark"), ("ar", "light")])
async def test_every_state_can_be_read_and_used_in_any_language(
    avatar: EmbeddedAvatar, language: str, scheme: Any
) -> None:
    start, speak, end = WORDS[language]
    room = WaitingRoom()
    await room.guard(avatar.page)
    await avatar.page.emulate_media(color_scheme=scheme)
    await avatar.open(f'lang="{language}"')
    await expect(avatar.button(start)).to_be_visible()
    assert await wrong(avatar) == []
    await avatar.button(start).click()
    await avatar.becomes("waiting")
    assert await wrong(avatar) == []
    room.turn()
    await avatar.becomes("live")
    await avatar.page.get_by_role("textbox").fill("Read me.")
    await avatar.button(speak).click()
    await avatar.becomes("speaking")
    assert await wrong(avatar) == []
    await avatar.button(end).click()
    await avatar.becomes("ended")
    assert await wrong(avatar) == []
    await avatar.page.route(CREATE, lambda route: route.abort())
    await avatar.button(start).click()
    await avatar.becomes("problem")
    assert await wrong(avatar) == []


async def test_hebrew_and_arabic_run_from_right_to_left(avatar: EmbeddedAvatar) -> None:
    await avatar.open('lang="he"')
    layout = "getComputedStyle(avatar.shadowRoot.querySelector('.layout')).direction"
    await expect(avatar.button("התחלה")).to_be_visible()
    assert await avatar.get(layout) == "rtl"
    await avatar.get("avatar.lang = 'en'")
    await expect(avatar.button("Start")).to_be_visible()
    assert await avatar.get(layout) == "ltr"


async def test_the_state_is_there_for_style_sheets(avatar: EmbeddedAvatar) -> None:
    await avatar.open()
    assert await avatar.get("avatar.matches(':state(ready)')")
    await avatar.start()
    assert await avatar.get("avatar.matches(':state(live):not(:state(ready))')")
    await avatar.end()
    assert await avatar.get("avatar.matches(':state(ended)')")


async def test_what_a_colour_says_is_seen_in_the_visitors_own_colours_too(
    avatar: EmbeddedAvatar,
) -> None:
    await avatar.page.emulate_media(forced_colors="active")
    await avatar.open()
    lamp = "getComputedStyle(avatar.shadowRoot.querySelector('.lamp')).backgroundColor"
    ready = await avatar.get(lamp)
    await avatar.start()

    async def has_changed() -> bool:
        return bool(await avatar.get(lamp) != ready)

    await eventually(has_changed, "the lamp has another colour")
    await avatar.end()
