"""Whoever finds every avatar busy waits in line, is told how things are, and is let in."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.browsers import new_context
from tests.support.demo import Demo
from tests.support.waiting_room import WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def room() -> WaitingRoom:
    return WaitingRoom()


def panel(tab: AvatarPage) -> Locator:
    return tab.page.locator("section[part=waiting]")


@pytest_asyncio.fixture(loop_scope="session")
async def rival(browser: Browser) -> AsyncIterator[AvatarPage]:
    """Another visitor."""
    context = await new_context(browser)
    yield AvatarPage(await context.new_page())
    await context.close()


async def get_in_line(tab: AvatarPage, demo: Demo, room: WaitingRoom) -> None:
    await room.guard(tab.page)
    await tab.page.goto(demo.url)
    await tab.button("Start").click()
    await expect(panel(tab)).to_contain_text("You are 3rd in line")


async def test_who_waits_is_told_their_place_and_is_let_in_without_a_click(
    tab: AvatarPage, demo: Demo, room: WaitingRoom
) -> None:
    """A tab that is hidden meanwhile calls its visitor by its title."""
    await tab.page.add_init_script(
        "Object.defineProperty(document, 'hidden', {get: () => !window.looked})"
    )
    async with tab.page.expect_request(re.compile(r"/api/waiting-room/ticket-1\?wait=20$")):
        await get_in_line(tab, demo, room)
    await tab.status_is("Connecting")
    await expect(panel(tab)).to_contain_text("about 1 minute")
    await expect(panel(tab)).to_contain_text("It starts by itself")
    await expect(tab.button("Start")).to_be_disabled()
    await expect(tab.page).to_have_title("Avatar Broker")

    room.move(position=1, estimated_seconds=40)
    await expect(panel(tab)).to_contain_text("You are next in line")
    await expect(panel(tab)).to_contain_text("about 30 seconds")

    room.turn()
    await expect(tab.page).to_have_title("Your turn - Avatar Broker")
    await tab.status_is("Live")
    await expect(panel(tab)).to_be_hidden()
    (key, _), taken = room.creates
    assert taken == (key, {"ticket": "ticket-1"})
    assert room.left == []
    await expect(tab.page).to_have_title("Your turn - Avatar Broker")
    await tab.page.evaluate("looked = true; document.dispatchEvent(new Event('visibilitychange'))")
    await expect(tab.page).to_have_title("Avatar Broker")
    await tab.button("End").click()


async def test_the_place_is_announced_and_the_estimate_is_not_and_the_line_can_be_left(
    tab: AvatarPage, demo: Demo, room: WaitingRoom
) -> None:
    await get_in_line(tab, demo, room)
    announced = "element => element.closest('[aria-live]').getAttribute('aria-live')"
    assert await tab.page.locator("#place").evaluate(announced) == "polite"
    estimate = tab.page.locator("section[part=waiting] p > span").first
    assert await estimate.evaluate(announced) == "off"

    await tab.page.locator("#place").evaluate(
        """place => {
          window.announcements = 0;
          const note = () => { announcements += 1; };
          new MutationObserver(note).observe(place, {
            childList: true, characterData: true, subtree: true,
          });
        }"""
    )
    room.move(position=3, estimated_seconds=600)
    await expect(panel(tab)).to_contain_text("about 10 minutes")
    assert await tab.page.evaluate("announcements") == 0

    await tab.button("Leave the line").click()
    await tab.status_is("Ended")
    await expect(panel(tab)).to_be_hidden()
    await expect(tab.button("Start")).to_be_focused()

    async def has_left() -> bool:
        return room.left == room.tickets

    await eventually(has_left, "the place is given up")
    await tab.button("Start").click()
    await expect(panel(tab)).to_contain_text("You are 3rd in line")
    (first, _), (second, _) = room.creates
    assert first != second
    await tab.button("End").click()
    await eventually(has_left, "the place is given up by End too")
    assert (room.tickets, tab.session_ids) == (["ticket-1", "ticket-2"], [])


async def test_a_turn_that_was_missed_gives_a_new_place_and_a_word(
    tab: AvatarPage, demo: Demo, room: WaitingRoom
) -> None:
    tab.tolerated = ("Failed to load resource",)
    await get_in_line(tab, demo, room)
    room.gone = True
    room.position = 5
    room.tell()
    await expect(panel(tab)).to_contain_text("You are 5th in line")
    await expect(panel(tab)).to_contain_text("Your turn had passed")
    assert room.tickets == ["ticket-1", "ticket-2"]

    room.gone = True
    room.tell()
    await tab.status_is("You are not in line")
    await expect(tab.page.get_by_role("alert")).to_contain_text("Press Start to get in line again")
    assert room.tickets == ["ticket-1", "ticket-2"]


async def test_the_next_in_line_is_let_in_when_a_session_ends(
    small_demo: Demo, tab: AvatarPage, rival: AvatarPage, browser: Browser
) -> None:
    """Who leaves the line is nobody's predecessor, and who reloads the page keeps the place."""
    await rival.page.goto(small_demo.url)
    first = await rival.start()
    async with await new_context(browser) as context:
        other = AvatarPage(await context.new_page())
        await other.page.goto(small_demo.url)
        await other.button("Start").click()
        await expect(panel(other)).to_contain_text("You are next in line")
        await tab.page.goto(small_demo.url)
        await tab.button("Start").click()
        await expect(panel(tab)).to_contain_text("You are 2nd in line")
        await other.button("Leave the line").click()
        await expect(panel(tab)).to_contain_text("You are next in line")
    await tab.page.reload()
    await expect(panel(tab)).to_contain_text("You are next in line")
    await tab.status_is("Connecting")

    await rival.button("End").click()
    await tab.status_is("Live")
    (session_id,) = tab.session_ids
    assert session_id != first
    assert await small_demo.session_is(first, "ended")
    await tab.button("End").click()
    await eventually(lambda: small_demo.session_is(session_id, "ended"), "the session is ended")
