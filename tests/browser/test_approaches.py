"""The three approaches of Kaltura's guide, through the broker: seen, heard, and no secret out."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Request, expect
from pydantic import SecretStr

from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.tokens import InvalidTokenError, SessionTokens
from tests.support.accessibility import faint, overflows
from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import KS, SECRET_KEY, Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
WORDS: Final = "What I say is no secret, for there is so much to be said about it."
CODE: Final = Path(__file__).parents[2] / "static/approaches/controls.js"
PROBE: Final = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")

SDK: Final = "/v1/avatar-session"
API: Final = "/api/avatar-sessions/…"
BEGINS: Final = {
    "SDK control": [("POST", f"{SDK}/create", "200"), ("POST", f"{SDK}/…/init-client", "200")],
    "API control": [
        ("POST", "/api/create-avatar-session", "201"),
        ("POST", f"{SDK}/…/init-client", "200"),
    ],
    "Hybrid": [
        ("POST", "/api/create-avatar-session", "201"),
        ("POST", f"{SDK}/…/init-client", "200"),
    ],
}
SPEAKS: Final = {
    "SDK control": f"{SDK}/…/say-text",
    "API control": f"{API}/speak",
    "Hybrid": f"{API}/speak",
}
STOPS: Final = {
    "SDK control": f"{SDK}/…/interrupt",
    "API control": f"{API}/interrupt",
    "Hybrid": f"{SDK}/…/interrupt",
}
ENDS: Final = {"SDK control": f"{SDK}/…/end", "API control": f"{API}/end", "Hybrid": f"{API}/end"}
APPROACHES: Final = list(BEGINS)
MADE: Final = """performance.getEntriesByType("resource").filter(
  ({ initiatorType, name }) =>
    ["fetch", "xmlhttprequest"].includes(initiatorType) && !name.endsWith("/keep-alive"),
).length"""
"""How many calls the page has made, as the browser tells it."""


@dataclass
class DemoPanel:
    """One approach on the page."""

    tab: AvatarPage
    title: str

    @property
    def region(self) -> Locator:
        return self.tab.page.get_by_role("region", name=self.title, exact=True)

    @property
    def secrets(self) -> Locator:
        """What the page, the broker and Kaltura hold, in this order."""
        return self.region.get_by_role("definition")

    def button(self, name: str) -> Locator:
        return self.region.get_by_role("button", name=name, exact=True)

    async def status_is(self, words: str | re.Pattern[str]) -> None:
        await expect(self.region.get_by_role("status")).to_have_text(words)

    async def run(self) -> str:
        """Clicks Run, waits until it is live, and returns the session's id."""
        async with self.tab.page.expect_response(_opens_a_session) as opened:
            await self.button("Run").click()
        session_id: str = (await (await opened.value).json())["sessionId"]
        await self.status_is("Live")
        container = await self.region.locator(".avatar").get_attribute("id")
        await self.tab.page.evaluate(PROBE.replace("avatar-container", str(container)))
        return session_id

    async def speak(self, text: str) -> None:
        await self.region.get_by_role("textbox", name="Text to speak").fill(text)
        await self.button("Speak").click()

    async def calls(self) -> list[tuple[str, str, str]]:
        """Method, path and status of each call shown but keep-alives; each has its time too."""
        rows = await self.region.locator("tbody tr").all()
        cells = [await row.locator("td").all_inner_texts() for row in rows]
        assert all(re.fullmatch(r"\d+ ms", row[3]) for row in cells)
        return [(row[0], row[1], row[2]) for row in cells if "/keep-alive" not in row[1]]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(tab: AvatarPage, demo: Demo) -> AsyncIterator[AvatarPage]:
    await tab.page.goto(f"{demo.url}/approaches")
    yield tab


@pytest.mark.parametrize("title", APPROACHES)
async def test_each_approach_is_seen_heard_stopped_and_ended_and_no_secret_leaves(
    tab: AvatarPage, demo: Demo, title: str
) -> None:
    """The page shows each call where the approach says it goes, and who holds what meanwhile."""
    traffic: list[Request] = []
    tab.page.on("requestfinished", lambda request: traffic.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    await tab.page.goto(f"{demo.url}/approaches")
    panel = DemoPanel(tab, title)
    await panel.status_is("Ready")
    of_page, of_broker, of_kaltura = (panel.secrets.nth(index) for index in range(3))
    await expect(of_page).to_have_text(re.compile(r"^Nothing\."))
    await expect(of_broker).to_have_text("The KS, for Kaltura alone.")

    session_id = await panel.run()
    assert await demo.session_is(session_id, "live")
    await expect(of_page).to_have_text(
        re.compile(r"^A token of this broker: this one session, until \w+day \d")
    )
    await expect(of_broker).to_contain_text("Kaltura's token")
    await expect(of_kaltura).to_contain_text("Verifies")
    assert not JWT.search(await tab.page.content())
    await tab.sees_the_picture_go_on()
    began = await tab.media_time()
    await panel.speak(WORDS)
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    await panel.button("Stop").click()
    await expect(panel.region.get_by_role("cell", name=STOPS[title], exact=True)).to_be_visible()
    await panel.button("End").click()
    await panel.status_is("Ended")
    await expect(of_page).to_have_text(re.compile(r"^Nothing\."))
    await expect(panel.region.locator("tbody tr").last).to_contain_text(ENDS[title])
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")

    calls = await panel.calls()
    begins, whep, goes_on = calls[:2], calls[2], calls[3:5]
    assert begins == BEGINS[title]
    assert re.fullmatch(r"POST http://127\.0\.0\.1:\d+/whep/session/… 201", " ".join(whep))
    assert goes_on == [("POST", SPEAKS[title], "200"), ("POST", STOPS[title], "200")]
    assert await tab.page.evaluate(MADE) == len(calls)

    seen = "\n".join([await _all_of(request) for request in traffic])
    for expected in (WORDS, "v=0", "ice-ufrag", "avatar-token", "visitor"):
        assert expected in seen
    assert KS not in seen
    assert SECRET_KEY not in seen
    [token] = set(JWT.findall(seen))
    assert _is_the_brokers(token)


async def test_direct_mode_says_whose_token_the_page_has(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.goto(f"{choice_demo.url}/approaches")
    panel = DemoPanel(tab, "SDK control")
    await panel.run()
    await expect(panel.secrets.first).to_contain_text("Kaltura's own token, until")
    await panel.button("End").click()
    await panel.status_is("Ended")


async def test_the_code_that_is_shown_is_the_code_that_runs(visit: AvatarPage) -> None:
    written = _squeezed(CODE.read_text(encoding="utf-8"))
    names = ("sdkControl", "apiControl", "hybrid")
    for title, name in zip(APPROACHES, names, strict=True):
        shown = _squeezed(await DemoPanel(visit, title).region.locator("code").inner_text())
        approach, _, _ = shown.partition("//client:")
        assert f"exportconst{name}={approach};" in written
    marked = visit.page.locator("mark")
    await expect(marked).to_have_text(["{ baseUrl: `${location.origin}/v1/avatar-session` },"])


async def test_starting_another_ends_the_one_before_and_leaving_the_page_ends_the_last(
    visit: AvatarPage, demo: Demo
) -> None:
    first = await DemoPanel(visit, "API control").run()
    second = await DemoPanel(visit, "SDK control").run()
    await DemoPanel(visit, "API control").status_is("Ended")
    assert await demo.session_is(first, "ended")
    assert await demo.session_is(second, "live")
    await visit.page.goto("about:blank")
    await eventually(lambda: demo.session_is(second, "ended"), "the session is ended")


async def test_everyone_can_use_an_approach_in_a_small_window_and_by_the_keyboard_alone(
    visit: AvatarPage, demo: Demo
) -> None:
    panel = DemoPanel(visit, "Hybrid")
    await panel.button("Run").focus()
    async with visit.page.expect_response(_opens_a_session) as opened:
        await visit.page.keyboard.press("Enter")
    await panel.status_is("Live")
    await expect(panel.button("End")).to_be_focused()
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Enter")
    await expect(panel.region.get_by_role("cell", name=f"{API}/speak")).to_be_visible()
    for width in (1000, 360):
        await visit.page.set_viewport_size({"width": width, "height": 800})
        assert not await overflows(visit)
    assert await faint(visit) == []
    await visit.page.keyboard.press("Shift+Tab")
    await visit.page.keyboard.press("Enter")
    await panel.status_is("Ended")
    await expect(panel.button("Run")).to_be_focused()
    session_id = (await (await opened.value).json())["sessionId"]
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


def _opens_a_session(response: Any) -> bool:
    path = response.url.partition("?")[0]
    return bool(response.status in (200, 201)) and path.endswith(
        ("/api/create-avatar-session", f"{SDK}/create")
    )


async def _all_of(request: Request) -> str:
    """Address, headers and body, and those of the answer."""
    response = await request.response()
    assert response is not None
    sent = [request.url, str(await request.all_headers()), request.post_data or ""]
    return "\n".join([*sent, str(await response.all_headers()), await response.text()])


def _is_the_brokers(token: str) -> bool:
    clock = SessionClock(time.time, time.monotonic)
    try:
        SessionTokens(Keyring([SecretStr(SECRET_KEY)]).signing(), clock).read(token)
    except InvalidTokenError:
        return False
    return True


def _squeezed(text: str) -> str:
    """Without white space, as which a page may break lines otherwise."""
    return re.sub(r"\s", "", text)
