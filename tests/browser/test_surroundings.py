"""Older browsers, links from other sites, and a proxy that asks for a password."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from tests.support.avatar_page import AvatarPage, another_site, eventually
from tests.support.browsers import new_context
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER_THAN_SAFARI_16: Final = """
  const gone = [
    [AbortSignal, "any"], [URL, "canParse"], [URL, "parse"], [Element.prototype, "checkVisibility"],
    [Promise, "withResolvers"], [Promise, "try"], [Array, "fromAsync"], [Object, "groupBy"],
    [Map, "groupBy"], [Iterator, "from"], [Response, "json"], [Uint8Array, "fromBase64"],
    [ReadableStream, "from"], [ReadableStream.prototype, Symbol.asyncIterator],
    [String.prototype, "isWellFormed"], [String.prototype, "toWellFormed"],
    [PerformanceResourceTiming.prototype, "responseStatus"],
    [HTMLElement.prototype, "showPopover"], [window, "scheduler"], [window, "navigation"],
  ];
  for (const method of ["toSorted", "toReversed", "toSpliced", "with"])
    gone.push([Array.prototype, method]);
  for (const method of Object.getOwnPropertyNames(Iterator.prototype))
    if (!["constructor"].includes(method)) gone.push([Iterator.prototype, method]);
  for (const method of ["union", "intersection", "difference", "symmetricDifference",
    "isSubsetOf", "isSupersetOf", "isDisjointFrom"]) gone.push([Set.prototype, method]);
  for (const [owner, name] of gone) delete owner[name];
  delete window.Iterator;
"""


# Older browsers


async def test_the_page_needs_nothing_that_safari_16_lacks(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.add_init_script(LATER_THAN_SAFARI_16)
    await tab.page.goto(demo.url)
    assert await tab.page.evaluate("[typeof AbortSignal.any, typeof URL.canParse]") == [
        "undefined",
        "undefined",
    ]
    # By keyboard: what has the focus when a session ends is looked at.
    await tab.button("Start").focus()
    await tab.page.keyboard.press("Enter")
    await tab.status_is("Live")
    await tab.probe()
    began = await tab.media_time()
    await tab.speak("Older browsers talk too.")
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    await tab.button("Stop").click()
    await tab.page.get_by_role("button", name="End", exact=True).focus()
    await tab.page.keyboard.press("Enter")
    await tab.status_is("Ended")
    session_id = tab.session_ids[-1]
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


@pytest.mark.parametrize("page", ["/", "/approaches"])
async def test_without_webrtc_the_page_says_so_and_opens_nothing(
    tab: AvatarPage, demo: Demo, page: str
) -> None:
    await tab.page.add_init_script("delete window.RTCPeerConnection")
    await tab.page.goto(demo.url + page)
    if page == "/":
        words = tab.page.get_by_role("alert")
        await expect(words).to_contain_text("This browser can't show live video")
        await expect(words).to_contain_text("Switch WebRTC on in its settings")
        await tab.button("Start").click()
        await tab.status_is("This browser can't show live video")
    else:
        await tab.page.get_by_role("button", name="Run").first.click()
        words = tab.page.get_by_text("This browser can't show live video").first
    await expect(words).to_contain_text("This browser can't show live video")
    assert tab.session_ids == []


# A link from another site


async def cookies_of(tab: AvatarPage) -> dict[str, Any]:
    return {str(one.get("name")): one.get("value") for one in await tab.page.context.cookies()}


async def test_a_link_from_another_site_leaves_the_visitor_who_they_are(
    tab: AvatarPage, demo: Demo
) -> None:
    """Even whoever has a cookie of an earlier version, which does not come along with a link."""
    await tab.page.goto(demo.url)
    [cookie] = await tab.page.context.cookies()
    assert cookie["sameSite"] == "Lax"
    await tab.page.context.add_cookies([cast(Any, {**cookie, "sameSite": "Strict"})])
    session_id = await tab.start()
    before = await cookies_of(tab)
    async with another_site(tab, demo.url) as mail:
        other = AvatarPage(await tab.page.context.new_page())
        await other.page.goto(mail)
        async with other.page.expect_response("**/api/avatar-sessions") as listed:
            await other.page.get_by_text("Talk to it").click()
        sessions = (await (await listed.value).json())["sessions"]
        assert [one["sessionId"] for one in sessions] == [session_id]
        await expect(other.button("Start")).to_be_enabled()
    assert await cookies_of(tab) == before
    await other.page.close()
    await tab.status_is("Live")
    await tab.button("End").click()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


# A proxy that asks for a password


@asynccontextmanager
async def asking_for_a_password(demo: Demo) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """A proxy before the broker that lets nobody in without HTTP Basic, and counts whom not."""
    wanted = aiohttp.encode_basic_auth("alice", "secret")
    refused = 0
    async with aiohttp.ClientSession(auto_decompress=False) as client:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            nonlocal refused
            if request.headers.get("Authorization") != wanted:
                refused += 1
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="all"'})
            async with client.request(
                request.method,
                demo.url + request.raw_path,
                headers=request.headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                kept = [
                    (name, value)
                    for name, value in answer.headers.items()
                    if name.lower() not in {"transfer-encoding", "content-length", "connection"}
                ]
                passed = web.StreamResponse(status=answer.status)
                passed.headers.extend(kept)
                await passed.prepare(request)
                async for chunk in answer.content.iter_any():
                    await passed.write(chunk)
                return passed

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = runner.addresses[0][1]
            yield f"http://127.0.0.1:{port}", lambda: refused
        finally:
            await runner.cleanup()


async def test_the_page_works_behind_a_proxy_that_asks_for_a_password(
    browser: Browser, demo: Demo
) -> None:
    async with asking_for_a_password(demo) as (url, refusals):
        credentials = {"username": "alice", "password": "secret"}
        context = await new_context(browser, http_credentials=credentials)
        tab = AvatarPage(await context.new_page())
        answers: list[tuple[str, int]] = []
        tab.page.on(
            "response", lambda answer: answers.append((urlsplit(answer.url).path, answer.status))
        )
        await tab.page.goto(url)
        before = refusals()
        session_id = await tab.start()
        began = await tab.media_time()
        await tab.speak("The password stays where it is.")
        await eventually(lambda: tab.loud_since(began), "the voice is heard")
        await tab.button("Stop").click()
        await tab.page.reload()
        await tab.button("Resume").click()
        await tab.status_is("Live")
        await tab.button("End").click()
        await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")
        assert refusals() == before, "no call went without the password"
        assert [answer for answer in answers if answer[1] >= 400] == []
        assert tab.errors == []
        await context.close()
