"""The element in a frame on a site of another origin, with and without a script around it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Page, Request, Route, expect

from tests.support.avatar_page import PATIENCE_MS, AvatarPage, eventually
from tests.support.browsers import new_context
from tests.support.demo import Demo
from tests.support.site import Site, running_site

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT: Final = (Path(__file__).parents[2] / "docs/embed.md").read_text(encoding="utf-8")
PLAIN, SCRIPTED = re.findall(r"```html\n(.*?)```", DOCUMENT, re.DOTALL)
[PROGRAM] = re.findall(r"```js\n(.*?)```", DOCUMENT, re.DOTALL)
HELLO: Final = "Hello!"
_ALLOWED: Final = """
  ["autoplay", "microphone", "fullscreen"].map((each) => document.featurePolicy.allowsFeature(each))
"""
_NO_STORAGE_IN_FRAMES: Final = """
  for (const name of window.top === window ? [] : ["localStorage", "sessionStorage"])
    Object.defineProperty(window, name, {
      get() { throw new DOMException("Access is denied.", "SecurityError"); },
    });
"""
_PRETEND_TO_BE_THE_FRAME: Final = """() => {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage({ name: "update", given: [{ state: "ended" }] });
  window.postMessage("kaltura-avatar: welcome", "*", [port2]);
  return new Promise((resolve) => addEventListener("message", () => resolve(), { once: true }));
}"""
_KEEP_WHAT_IS_POSTED: Final = """
  window.posted = [];
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (...given) {
    window.posted.push(JSON.stringify(given));
    return post.apply(this, given);
  };
"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab of a browser that gives frames of other sites no storage, as some builds do."""
    context = await new_context(browser, viewport={"width": 500, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.add_init_script(_NO_STORAGE_IN_FRAMES)
    yield page
    await context.close()


async def opened(page: Page, site: Site, operated: Demo, html: str) -> FrameLocator:
    """What is in the frame of a page of the site, which has no more than the documents show."""
    site.policy = f"default-src 'none'; frame-src {operated.url}; script-src {operated.url}"
    body = html.replace("https://avatar.example.com", operated.url)
    icon = '<link rel="icon" href="data:,">'
    site.pages["/"] = f'<!doctype html><html lang="en"><title>A shop</title>{icon}{body}'
    await page.goto(site.local_url)
    return page.frame_locator("iframe")


async def get(page: Page, expression: str) -> Any:
    """What an expression about the frame's element, `avatar`, gives."""
    element = "document.querySelector('kaltura-avatar-frame')"
    return await page.evaluate(f"async () => {{ const avatar = {element}; return {expression}; }}")


async def test_a_frame_without_a_script_shows_an_avatar_whose_visitor_needs_no_cookie(
    page: Page, site: Site, operated: Demo
) -> None:
    await page.goto(operated.url)
    assert [cookie.get("name") for cookie in await page.context.cookies()] == ["avatar_visitor"]
    requests: list[Request] = []

    def note(request: Request) -> None:
        if "/api/avatar-sessions/" in request.url or request.url.endswith("create-avatar-session"):
            requests.append(request)

    frame = await opened(page, site, operated, PLAIN)
    page.on("request", note)
    assert await page.frames[1].evaluate(_ALLOWED) == [True, True, True]
    await frame.get_by_role("button", name="Start").click()
    await expect(frame.get_by_role("status")).to_have_text("Live")
    await frame.get_by_role("textbox").fill(HELLO)
    await frame.get_by_role("button", name="Speak").click()
    await expect(frame.get_by_role("list")).to_contain_text(HELLO)
    await frame.get_by_role("button", name="End", exact=True).click()
    await expect(frame.get_by_role("status")).to_have_text("Ended")
    sent = [await request.all_headers() for request in requests]
    [name] = {headers.get("avatar-visitor", "") for headers in sent}
    assert (len(name), [one for one in sent if "cookie" in one]) == (64, [])


async def test_the_page_around_uses_the_element_and_gets_no_token_of_a_session(
    page: Page, site: Site, operated: Demo
) -> None:
    tokens: list[str] = []

    async def keep_token(route: Route) -> None:
        answer = await route.fetch()
        tokens.append((await answer.json())["token"])
        await route.fulfill(response=answer)

    await page.route("**/api/create-avatar-session", keep_token)
    await page.add_init_script(_KEEP_WHAT_IS_POSTED)
    frame = await opened(page, site, operated, f'{SCRIPTED}<button id="greet">Greet</button>')
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.evaluate(PROGRAM)
    await page.evaluate(_PRETEND_TO_BE_THE_FRAME)
    assert await page.frames[1].evaluate(_ALLOWED) == [True, True, True]
    await page.get_by_role("button", name="Greet").click()
    await eventually(lambda: is_in(f"{HELLO} said", said), "the page hears what is said")
    parts = "(async function* () { yield 'One sen'; yield 'tence. And ano'; yield 'ther.'; })()"
    await get(page, f"avatar.speak({parts})")
    texts = [one["text"] for one in await get(page, "avatar.utterances")]
    assert texts == [HELLO, "One sentence.", "And another."]
    assert await get(page, "avatar.state") in {"live", "speaking"}
    assert 0 < await get(page, "avatar.secondsLeft") <= 900
    await expect(frame.locator("kaltura-avatar[theme=dark][lang=en]")).to_be_visible()
    await get(page, "avatar.end()")
    await expect(frame.get_by_role("status")).to_have_text("Ended")
    posted = [text for each in page.frames for text in await each.evaluate("window.posted")]
    assert any(HELLO in text for text in posted)
    assert [text for text in posted for token in tokens if token in text] == []
    assert len(tokens) == 1


async def is_in(text: str, texts: list[str]) -> bool:
    return text in texts


async def test_a_page_that_is_not_named_gets_no_frame_and_no_answer(
    page: Page, operated: Demo, unused_tcp_port: int
) -> None:
    await page.clock.install()
    async with running_site(unused_tcp_port) as third:
        async with page.expect_console_message(lambda told: "frame-ancestors" in told.text):
            await opened(page, third, operated, SCRIPTED)
        started = "avatar.start().catch(({ message }) => message)"
        await get(page, f"void (window.started = {started})")
        await page.clock.fast_forward(5000)
        words = await page.evaluate("window.started")
    assert words.endswith(f"FRAME_ANCESTORS must name {third.local_url}")


async def test_a_login_is_a_question_to_the_page_around_also_when_the_frame_was_moved(
    page: Page, site: Site, operated: Demo
) -> None:
    async def with_login(route: Route) -> None:
        answer = await route.fetch()
        body = (await answer.text()).replace('"asksLogin": false', '"asksLogin": true')
        await route.fulfill(response=answer, body=body)

    await page.route("**/embed?*", with_login)
    await opened(page, site, operated, SCRIPTED)
    await page.evaluate(
        """() => {
          window.asked = [];
          document.querySelector("kaltura-avatar-frame").getAuthToken = async ({ reason }) => {
            window.asked.push(reason);
            throw new Error("signed out");
          };
        }"""
    )
    assert await get(page, "avatar.start()") == "problem"
    problem = await get(page, "avatar.problem")
    assert (problem["name"], problem["detail"]) == ("auth-token-failed", "signed out")
    await page.evaluate("document.body.append(document.querySelector('kaltura-avatar-frame'))")
    assert await get(page, "avatar.start()") == "problem"
    assert await page.evaluate("window.asked") == ["create", "create"]


async def test_a_link_fills_the_box_and_starts_and_says_nothing(
    tab: AvatarPage, operated: Demo
) -> None:
    calls: list[str] = []
    tab.page.on("request", lambda request: calls.append(request.method))
    presets = "avatar=ada&voice=emulator-voice-en-1&lang=de&theme=dark&text=Send+money."
    await tab.page.goto(f"{operated.url}/embed?{presets}")
    await expect(tab.page.get_by_role("textbox")).to_have_value("Send money.")
    await expect(tab.button("Sprechen")).to_be_enabled()
    await expect(tab.page.get_by_role("status")).to_have_text("Bereit")
    names = "({ avatarId, voiceId, theme, state }) => [avatarId, voiceId, theme, state]"
    element = await tab.page.locator("kaltura-avatar").evaluate(names)
    assert element == ["ada", "emulator-voice-en-1", "dark", "ready"]
    assert set(calls) == {"GET"}
    # The heading is for the page around.
    assert [one for one in await tab.barriers() if not one.startswith("page-has-heading-one")] == []
