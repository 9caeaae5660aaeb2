"""Everyone can use the page: by keyboard, on a phone, in dark and light, by name."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.support.accessibility import faint, overflows
from tests.support.avatar_page import AvatarPage
from tests.support.demo import Demo
from tests.support.waiting_room import CREATE, WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = (
    *((1280, 1024), (1024, 1366), (960, 1080), (1280, 800), (667, 375), (640, 400), (844, 390)),
    *((320, 640), (360, 640), (390, 844), (560, 700), (768, 1024), (959, 500), (600, 470)),
)
"""640x400 is what a page of 1280x800 has at 200 %."""

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 5


async def test_the_keyboard_alone_is_enough(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    press = tab.page.keyboard.press
    await press("Tab")
    await expect(tab.button("Start")).to_be_focused()
    await press("Enter")
    await tab.status_is("Live")
    await expect(tab.text).to_be_focused()
    await tab.page.keyboard.type("Said without a mouse, and for long enough to be stopped. " * 2)
    await press("Control+Enter")
    await expect(tab.fates.first).to_contain_text("speaking")
    await press("Shift+Tab")
    await expect(tab.button("End")).to_be_focused()
    await press("Shift+Tab")
    await expect(tab.button("Stop")).to_be_focused()
    await press("Space")
    await expect(tab.fates.first).to_contain_text("stopped")
    await press("Tab")
    await press("Enter")
    await tab.status_is("Ended")
    await expect(tab.button("Start")).to_be_focused()


async def test_every_page_is_free_of_barriers(tab: AvatarPage, demo: Demo) -> None:
    for path in ("/approaches", "/docs#speak", "/problems/at-capacity"):
        await tab.page.goto(demo.url + path)
        assert await tab.barriers() == [], path


async def test_captions_hide_no_face_and_they_and_the_sound_stay_as_one_wants_them(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.set_viewport_size({"width": 667, "height": 375})  # a phone held sideways
    await tab.page.goto(demo.url)
    await tab.start()
    await tab.speak(
        "This is a sentence of about eighty letters, which is as long as a piece may be."
    )
    caption = tab.page.locator(".caption:visible")
    await expect(caption).to_contain_text("eighty letters")
    stage = await tab.page.locator(".stage").bounding_box()
    words = await caption.bounding_box()
    assert stage
    assert words
    assert words["y"] > stage["y"] + 0.7 * stage["height"], "words hide the face"
    await tab.page.set_viewport_size({"width": 1280, "height": 800})
    size = await caption.evaluate("each => getComputedStyle(each).fontSize")
    await tab.button("Caption size: medium").click()
    assert await caption.evaluate("each => getComputedStyle(each).fontSize") > size
    await tab.button("Captions").click()
    await expect(caption).to_have_count(0)
    await tab.button("Mute").click()
    await tab.page.get_by_role("slider", name="Volume").fill("40")
    heard = "[document.querySelector('video').muted, document.querySelector('video').volume]"
    assert await tab.page.evaluate(heard) == [False, 0.4]
    await tab.button("Mute").click()
    assert (await tab.page.evaluate(heard))[0]
    await expect(tab.button("Sound is off — turn on")).to_be_hidden()

    await tab.page.reload()
    await tab.button("Resume").click()
    await tab.status_is("Live")
    await expect(tab.button("Captions")).to_have_attribute("aria-pressed", "false")
    await expect(tab.button("Caption size: large")).to_be_visible()
    assert await tab.page.evaluate(heard) == [False, 0.4]
    await tab.button("Full screen").click()
    await expect(tab.button("Full screen")).to_have_attribute("aria-pressed", "true")
    await tab.button("Full screen").click()
    await tab.button("End").click()


async def test_characters_are_counted_as_the_server_counts_them(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    for text, count, is_sayable in (
        ("   ", "0 / 1000", False),
        ("a" * 1000, "1000 / 1000", True),
        ("a" * 1001, "1 too many", False),
        ("😀" * 1000, "1000 / 1000", True),
        ("  padded  ", "6 / 1000", True),
    ):
        await tab.text.fill(text)
        await expect(tab.page.locator("#count")).to_have_text(count)
        await expect(tab.button("Speak")).to_be_enabled(enabled=is_sayable)


async def test_nothing_is_cut_off_at_any_size(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    assert [size for size in SIZES if not await _fits(tab, *size)] == []
    await tab.start()
    queued = {"success": True, "turnId": "a", "state": "queued"}
    await tab.page.route("**/speak", lambda route: route.fulfill(json=queued))
    for number in range(30):
        await tab.text.fill(f"{number}. {'This is rather long, and so on. ' * (number % 3)}")
        await tab.page.keyboard.press("Control+Enter")
    await expect(tab.fates).to_have_count(30)
    await tab.text.fill("Something that is to be said next.")
    assert [size for size in SIZES if not await _fits(tab, *size)] == []
    for width, height in ((1280, 1024), (1280, 800), (1024, 1366)):
        await tab.page.set_viewport_size({"width": width, "height": height})
        assert await tab.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    await tab.button("End").click()
    await tab.status_is("Ended")
    assert [size for size in SIZES if not await _fits(tab, *size)] == []


async def test_every_state_has_its_controls_by_name_and_can_be_read_and_used(
    tab: AvatarPage, demo: Demo
) -> None:
    tab.tolerated = ("Failed to load resource",)
    held, room = Held(), WaitingRoom()
    await room.guard(tab.page)
    await tab.page.route(CREATE, held.pass_on)
    await tab.page.set_viewport_size({"width": 320, "height": 700})
    await tab.page.goto(demo.url)
    await expect(tab.button("Start")).to_be_enabled()
    for name in ("Speak", "Stop", "End"):
        await expect(tab.button(name)).to_be_disabled()
    await expect(tab.page.get_by_text("an AI makes the face and the voice")).to_be_visible()
    await expect(tab.page.get_by_text("This is the emulator, not Kaltura.")).to_be_visible()
    await tab.page.get_by_text("Developer").click()
    assert await _wrong(tab) == []

    await tab.speak(LONG_WORD)
    await tab.status_is("Connecting")
    assert await _wrong(tab) == []
    held.release()
    await expect(tab.page.get_by_text("You are 3rd in line")).to_be_visible()
    await expect(tab.text).to_have_value(LONG_WORD)
    await expect(tab.button("Speak")).to_be_disabled()
    assert await _wrong(tab) == []
    room.offline = True
    room.tell()
    await expect(tab.page.get_by_text("The connection was lost")).to_be_visible()
    assert await _wrong(tab) == []
    room.offline = False
    held.hold()
    room.turn()
    await expect(tab.page.get_by_text("It is your turn")).to_be_visible()
    assert await _wrong(tab) == []
    held.release()

    await tab.status_is("Live")
    await expect(tab.fates).to_contain_text("speaking")
    await expect(tab.text).to_have_value("")
    assert await _wrong(tab) == []
    await tab.page.route("**/speak", lambda route: route.abort())
    await tab.text.fill("Nobody answers this.")
    for name in ("Speak", "Stop", "End"):
        await expect(tab.button(name)).to_be_enabled()
    await expect(tab.button("Start")).to_be_disabled()
    await expect(tab.page.get_by_text("AI-generated face and voice")).to_be_visible()
    await tab.button("Speak").click()
    await expect(tab.page.get_by_role("alert")).to_be_visible()
    assert await _wrong(tab) == []
    await tab.button("End").click()
    await tab.status_is("Ended")
    assert await _wrong(tab) == []

    await tab.page.route(CREATE, lambda route: route.abort())
    await tab.button("Start").click()
    await tab.status_is("No connection")
    assert await _wrong(tab) == []


async def test_what_is_offered_can_be_read_and_had_by_keyboard(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.set_viewport_size({"width": 320, "height": 700})
    await tab.page.goto(demo.url)
    await tab.start()
    await tab.page.reload()
    await expect(tab.button("Resume")).to_be_visible()
    assert await _wrong(tab) == []
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Tab")
    await expect(tab.button("Resume")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await tab.status_is("Live")
    await expect(tab.text).to_be_focused()
    await tab.button("End").click()
    await tab.status_is("Ended")
    assert await faint(tab) == []


class Held:
    """Keeps a call on its way until it is released."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self.hold, self.release = self._free.clear, self._free.set

    async def pass_on(self, route: Route) -> None:
        await self._free.wait()
        await route.fallback()


async def _wrong(tab: AvatarPage) -> list[str]:
    """What keeps someone from reading or using the page as it is now."""
    sideways = ["it scrolls sideways"] if await overflows(tab) else []
    return [*await tab.barriers(), *await faint(tab), *sideways]


async def _fits(tab: AvatarPage, width: int, height: int) -> bool:
    """Whether no button or box is wider than the page, which does not scroll sideways."""
    await tab.page.set_viewport_size({"width": width, "height": height})
    cut_off = """all => all.some(each =>
      each.checkVisibility() && each.getBoundingClientRect().right > innerWidth)"""
    is_cut_off = await tab.page.locator("button, textarea").evaluate_all(cut_off)
    return not await overflows(tab) and not is_cut_off


async def test_a_colour_of_the_operators_can_be_read_by_day_and_by_night(
    tab: AvatarPage, small_demo: Demo
) -> None:
    await tab.page.goto(small_demo.url)
    await expect(tab.button("Start")).to_be_enabled()
    assert await faint(tab) == []
    await tab.button("Use an example").click()
    await expect(tab.text).to_have_value("Good morning.")
    await expect(tab.button("Speak")).to_be_focused()
