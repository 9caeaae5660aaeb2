"""The client in a page of another origin, where no cookie of the broker counts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page

from tests.support.avatar_page import eventually
from tests.support.demo import Demo
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE: Final = """<!doctype html><title>A shop</title><script type="module">
import { createClient } from "{broker}/static/client/index.js";
import { BrokerApi } from "{broker}/static/shared/broker/broker-api.js";
window.client = createClient({ broker: "{broker}" });
window.api = new BrokerApi({ broker: "{broker}" });
addEventListener("pagehide", () => window.session?.leave());
</script>"""

OPEN: Final = "client.open().then((own) => (window.session = own).sessionId)"


@asynccontextmanager
async def visiting(browser: Browser, demo: Demo, site: Site) -> AsyncIterator[Page]:
    """A new visitor's tab with the site's page; the console must have nothing to complain about."""
    context = await browser.new_context()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    site.policy, site.pages["/"] = "", PAGE.replace("{broker}", demo.url)
    await page.goto(site.url)
    await page.wait_for_function("window.client")
    yield page
    assert await context.cookies() == []
    await context.close()
    assert complaints == []


async def said(demo: Demo, session_id: str) -> list[str]:
    calls = (await demo.session(session_id))["calls"]
    return [call["text"].strip() for call in calls if call["operation"] == "say-text"]


async def test_overlapping_first_calls_of_one_click_open_one_session(
    browser: Browser, demo: Demo, site: Site
) -> None:
    async with visiting(browser, demo, site) as page:
        opened = await page.evaluate(
            """async () => {
              const asked = Array.from({ length: 8 }, () => api.create("one-click"));
              return (await Promise.all(asked)).map(({ sessionId }) => sessionId);
            }"""
        )
        assert len(opened) == 8
        assert len(set(opened)) == 1
        assert len(await page.evaluate("client.sessions()")) == 1
        await page.evaluate("api.endAll()")


async def test_a_visitor_without_a_cookie_has_no_more_sessions_than_one_may_have(
    browser: Browser, demo: Demo, site: Site
) -> None:
    async with visiting(browser, demo, site) as page:
        ends: list[dict[str, Any]] = await page.evaluate(
            """async () => {
              const opened = Array.from({ length: 8 }, () => client.open());
              const ends = await Promise.allSettled(opened);
              return ends.map(({ status, reason }) => ({ status, problem: reason?.name ?? "" }));
            }"""
        )
        refused = [end["problem"] for end in ends if end["status"] == "rejected"]
        assert refused == ["too-many-sessions"] * 7
        await page.evaluate("api.endAll()")


async def test_a_reload_resumes_the_session(browser: Browser, demo: Demo, site: Site) -> None:
    async with visiting(browser, demo, site) as page:
        opened = await page.evaluate(OPEN)
        await page.reload()
        await page.wait_for_function("window.client")
        resumed = await page.evaluate(
            """async () => {
              const [left] = await client.sessions();
              window.session = await client.resume(left.sessionId);
              await session.speak("Here we are again.");
              return session.sessionId;
            }"""
        )
        assert resumed == opened
        assert await said(demo, opened) == ["Here we are again."]
        await page.evaluate("session.end()")


async def test_a_page_that_is_closed_ends_its_session(
    browser: Browser, demo: Demo, site: Site
) -> None:
    async with visiting(browser, demo, site) as page:
        opened = await page.evaluate(OPEN)
        assert await demo.session_is(opened, "live")
        await page.close(run_before_unload=True)
        await eventually(lambda: demo.session_is(opened, "ended"), "the session is ended")


async def test_a_browser_says_what_is_being_written_and_sees_it_said(
    browser: Browser, demo: Demo, site: Site
) -> None:
    async with visiting(browser, demo, site) as page:
        opened, told = await page.evaluate(
            """async () => {
              async function* written() {
                for (const piece of ["I am an", " avatar. I am ", "heard. The end."]) yield piece;
              }
              const session = await client.open();
              const told = [];
              await session.speak(written());
              for await (const { event, data } of session.events()) {
                if (event === "utterance") told.push(data.state);
                if (data.state === "done") await session.end();
                if (data.state === "ended") told.push(data.endReason);
              }
              return [session.sessionId, told];
            }"""
        )
        assert await said(demo, opened) == ["I am an avatar.", "I am heard.", "The end."]
        assert told[-2:] == ["done", "visitor"]
