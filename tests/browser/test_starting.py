"""A press counts from the moment at which the page can be seen, and Speak needs no Start."""

import asyncio
from typing import Final

import pytest
from playwright.async_api import Browser, Route, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo
from tests.support.waiting_room import CREATE, WaitingRoom

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODULES: Final = "**/page/main.js"
TEXT: Final = "This was written before there was a session."


async def goto_without_modules(tab: AvatarPage, demo: Demo) -> asyncio.Event:
    """Opens the page as a slow line shows it first; its modules come when the event is set."""
    come = asyncio.Event()

    async def hold(route: Route) -> None:
        await come.wait()
        await route.continue_()

    await tab.page.route(MODULES, hold)
    await tab.page.goto(demo.url, wait_until="commit")
    await expect(tab.button("Start")).to_be_visible()
    return come


async def test_start_works_before_the_modules_have_come(tab: AvatarPage, demo: Demo) -> None:
    come = await goto_without_modules(tab, demo)
    await tab.button("Start").press("Enter")
    await tab.status_is("Connecting")
    await expect(tab.button("Start")).to_have_attribute("aria-busy", "true")
    assert await tab.barriers() == []
    come.set()
    await tab.status_is("Live")
    await expect(tab.text).to_be_focused()
    await expect(tab.page.locator("[aria-busy]")).to_have_count(0)
    assert len(tab.session_ids) == 1
    await tab.button("End").click()
    await tab.status_is("Ended")


async def test_a_page_whose_modules_do_not_come_says_so(tab: AvatarPage, demo: Demo) -> None:
    tab.tolerated = ("Failed to load resource",)
    await tab.page.route(MODULES, lambda route: route.abort())
    await tab.page.goto(demo.url, wait_until="commit")
    await expect(tab.page.get_by_role("alert")).to_contain_text("Reload this page")
    await expect(tab.button("Start")).to_be_disabled()
    await expect(tab.page.locator("[aria-busy]")).to_have_count(0)
    assert await tab.barriers() == []


async def test_without_javascript_the_page_says_so(browser: Browser, demo: Demo) -> None:
    async with await browser.new_context(java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto(demo.url)
        assert "This page needs JavaScript" in await page.inner_text("body")


async def test_addresses_are_gathered_while_the_session_is_opened(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.add_init_script(
        """const Peer = RTCPeerConnection;
        window.peers = [];
        window.RTCPeerConnection = class extends Peer {
          constructor(...all) { super(...all); peers.push(this); }
        };"""
    )

    async def has_gathered() -> bool:
        return bool(await tab.page.evaluate("peers[0]?.iceGatheringState == 'complete'"))

    async def open_when_gathered(route: Route) -> None:
        await eventually(has_gathered, "the addresses are gathered")
        await route.continue_()

    await tab.page.route(CREATE, open_when_gathered)
    await tab.page.goto(demo.url)
    await tab.start()
    assert await tab.page.evaluate("peers.map(each => each.connectionState)") == ["connected"]
    await tab.button("End").click()
    await tab.status_is("Ended")

    async def is_closed() -> bool:
        return bool(await tab.page.evaluate("peers.every(each => each.signalingState == 'closed')"))

    await eventually(is_closed, "the peer is closed")


async def test_speak_starts_a_session_and_then_speaks(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    await expect(tab.button("Speak")).to_be_disabled()
    await tab.speak(TEXT)
    await tab.status_is("Live")
    await expect(tab.fates).to_have_count(1)
    await expect(tab.fates).to_contain_text("speaking")
    await expect(tab.text).to_have_value("")
    await tab.button("End").click()
    await tab.status_is("Ended")
    await expect(tab.button("Speak")).to_be_disabled()

    await tab.text.fill("And once more.")
    await tab.text.press("Control+Enter")
    await tab.status_is("Live")
    await expect(tab.page.locator(".transcript ol")).to_contain_text("And once more.")
    assert len(tab.session_ids) == 2
    await tab.button("End").click()
    await tab.status_is("Ended")


async def test_a_text_whose_session_did_not_start_stays_in_the_box(
    tab: AvatarPage, demo: Demo
) -> None:
    tab.tolerated = ("Failed to load resource",)
    problem = {"type": "/problems/kaltura-error", "title": "Kaltura could not do it"}
    await tab.page.route(CREATE, lambda route: route.fulfill(status=502, json=problem))
    await tab.page.goto(demo.url)
    await tab.speak(TEXT)
    await tab.status_is("Kaltura could not do it")
    await expect(tab.text).to_have_value(TEXT)
    await expect(tab.text).to_be_editable()
    await expect(tab.fates).to_have_count(0)

    # Whoever presses Start after that wants to be there, and has not said Speak again.
    await tab.page.unroute(CREATE)
    await tab.start()
    await expect(tab.text).to_have_value(TEXT)
    await expect(tab.fates).to_have_count(0)
    await tab.button("Speak").click()
    await expect(tab.fates).to_contain_text("speaking")
    await tab.button("End").click()
    await tab.status_is("Ended")


async def test_a_text_that_is_changed_while_it_waits_is_not_said(
    tab: AvatarPage, demo: Demo
) -> None:
    room = WaitingRoom()
    await room.guard(tab.page)
    await tab.page.goto(demo.url)
    await tab.speak(TEXT)
    await expect(tab.page.get_by_text("You are 3rd in line")).to_be_visible()
    await tab.text.fill("On second thoughts, this")
    await expect(tab.button("Speak")).to_be_enabled()
    room.turn()
    await tab.status_is("Live")
    await expect(tab.text).to_have_value("On second thoughts, this")
    await expect(tab.fates).to_have_count(0)
    await tab.button("End").click()
    await tab.status_is("Ended")
