"""Everyone can use `<kaltura-avatar>`: by name, in any language, in light, dark and own colours."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.accessibility import CONTRAST
from tests.support.avatar_page import AvatarPage
from tests.support.browsers import new_context
from tests.support.demo import Demo
from tests.support.embedded_avatar import EmbeddedAvatar
from tests.support.site import Site
from tests.support.waiting_room import CREATE, WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")

AA: Final = 4.5
START, SPEAK, END = "ابدأ", "انطق", "إنهاء"
"""What the buttons are called in Arabic."""


@pytest_asyncio.fixture(loop_scope="session")
async def avatar(browser: Browser, site: Site, demo: Demo) -> AsyncIterator[EmbeddedAvatar]:
    context = await new_context(browser, viewport={"width": 320, "height": 900}, bypass_csp=True)
    site.policy = ""
    yield EmbeddedAvatar(await context.new_page(), site, demo)
    await context.close()


async def wrong(avatar: EmbeddedAvatar) -> list[str]:
    """What keeps someone from reading or using the element as it is now."""
    found: list[dict[str, Any]] = await avatar.page.evaluate(CONTRAST)
    faint = [f"{one['ratio']:.2f} {one['text']}" for one in found if one["ratio"] < AA]
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    sideways = ["it scrolls sideways"] if await avatar.page.evaluate(wide) else []
    return [*await AvatarPage(avatar.page).barriers(), *faint, *sideways]


async def test_every_state_can_be_read_and_used_also_from_right_to_left_and_at_night(
    avatar: EmbeddedAvatar,
) -> None:
    room = WaitingRoom()
    await room.guard(avatar.page)
    await avatar.page.emulate_media(color_scheme="dark")
    await avatar.open('lang="ar"')
    await expect(avatar.button(START)).to_be_visible()
    assert await wrong(avatar) == []
    await avatar.button(START).click()
    await avatar.becomes("waiting")
    assert await wrong(avatar) == []
    room.turn()
    await avatar.becomes("live")
    await avatar.page.get_by_role("textbox").fill("Read me.")
    await avatar.button(SPEAK).click()
    await avatar.becomes("speaking")
    assert await wrong(avatar) == []
    await avatar.button(END).click()
    await avatar.becomes("ended")
    assert await wrong(avatar) == []
    await avatar.page.route(CREATE, lambda route: route.abort())
    await avatar.button(START).click()
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
