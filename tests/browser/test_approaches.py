"""The three approaches of Kaltura's guide, through the broker: seen, heard, and no secret out."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Request, Route, expect
from pydantic import SecretStr

from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.tokens import InvalidTokenError, SessionTokens
from tests.support.accessibility import faint
from tests.support.avatar_page import PATIENCE_MS, AvatarPage, eventually
from tests.support.demo import SDK_URL, STAND_IN, Demo, running_demo
from tests.support.processes import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

KS: Final = "a-kaltura-session-that-no-page-may-see"
SECRET_KEY: Final = "signs-the-tokens-of-this-test-and-of-no-other"
JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
SILENT: Final = 0.003
LONG: Final = "I could go on about this for a very long time, for there is so much to be said. " * 4
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
APPROACHES: Final = list(BEGINS)


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
        await expect(self.region.get_by_role("status")).to_have_text(words, timeout=PATIENCE_MS)

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

    async def requests(self) -> list[tuple[str, str, str]]:
        """Method, path and status of each request that is shown; each has its time too."""
        rows = await self.region.locator("tbody tr").all()
        cells = [await row.locator("td").all_inner_texts() for row in rows]
        assert all(re.fullmatch(r"\d+ ms", row[3]) for row in cells)
        return [(row[0], row[1], row[2]) for row in cells]


SECRETS: Final = {"AVATAR_KS": KS, "SECRET_KEY": SECRET_KEY}


@pytest.fixture(scope="session")
def broker(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(emulator, tmp_path_factory.mktemp("sealed"), **SECRETS) as broker:
        yield broker


@pytest.fixture(scope="session")
def direct_broker(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    direct = {**SECRETS, "AVATAR_TOKEN_MODE": "direct"}
    with running_demo(emulator, tmp_path_factory.mktemp("direct"), **direct) as broker:
        yield broker


@pytest_asyncio.fixture(loop_scope="session")
async def visit(tab: AvatarPage, broker: Demo) -> AsyncIterator[AvatarPage]:
    await tab.page.goto(f"{broker.url}/approaches")
    yield tab


@pytest.mark.parametrize("title", APPROACHES)
async def test_each_approach_is_seen_heard_stopped_and_ended(
    visit: AvatarPage, broker: Demo, title: str
) -> None:
    panel = DemoPanel(visit, title)
    await panel.status_is("Ready")
    session_id = await panel.run()
    assert await broker.session_is(session_id, "live")
    await visit.sees_the_picture_go_on()

    began = await visit.media_time()
    await panel.speak(LONG)
    await eventually(lambda: visit.loud_since(began), "the voice is heard")
    await panel.button("Stop").click()
    await expect(panel.region.get_by_role("cell", name=STOPS[title], exact=True)).to_be_visible()
    stopped = await visit.media_time()
    await eventually(lambda: visit.played(stopped + 2), "the media goes on after Stop")
    after = await visit.heard_since(stopped + 1)
    assert after
    assert max(sample["loudness"] for sample in after) < SILENT

    await panel.button("End").click()
    await panel.status_is("Ended")
    await eventually(lambda: broker.session_is(session_id, "ended"), "the session is ended")


@pytest.mark.parametrize("title", APPROACHES)
async def test_each_request_is_shown_and_goes_where_the_approach_says(
    visit: AvatarPage, title: str
) -> None:
    panel = DemoPanel(visit, title)
    await panel.run()
    await panel.speak("Hello.")
    spoken = ("POST", SPEAKS[title], "200")
    await expect(panel.region.get_by_role("cell", name=SPEAKS[title], exact=True)).to_be_visible()
    await panel.button("Stop").click()
    await expect(panel.region.get_by_role("cell", name=STOPS[title], exact=True)).to_be_visible()
    requests = await panel.requests()
    assert requests[:2] == BEGINS[title]
    whep = requests[2]
    assert (whep[0], whep[2]) == ("POST", "201")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/whep/session/…", whep[1])
    assert requests[3:] == [spoken, ("POST", STOPS[title], "200")]
    await panel.button("End").click()
    last = f"{SDK}/…/end" if title == "SDK control" else f"{API}/end"
    await expect(panel.region.locator("tbody tr").last).to_contain_text(last)
    assert await visit.page.evaluate(
        "performance.getEntriesByType('resource').filter(({initiatorType}) =>"
        " ['fetch', 'xmlhttprequest'].includes(initiatorType)).length"
    ) == len(await panel.requests())


@pytest.mark.parametrize("title", APPROACHES)
async def test_what_each_party_holds_is_told_as_it_changes(visit: AvatarPage, title: str) -> None:
    panel = DemoPanel(visit, title)
    page, broker, kaltura = (panel.secrets.nth(index) for index in range(3))
    await expect(page).to_have_text(re.compile(r"^Nothing\."))
    await expect(broker).to_have_text("The KS, for Kaltura alone.")
    await panel.run()
    await expect(page).to_have_text(
        re.compile(r"^A token of this broker: this one session, until \w+day \d")
    )
    await expect(broker).to_contain_text("Kaltura's token")
    await expect(kaltura).to_contain_text("Verifies")
    assert not JWT.search(await visit.page.content())
    await panel.button("End").click()
    await expect(page).to_have_text(re.compile(r"^Nothing\."))


async def test_no_secret_is_in_any_traffic_of_the_page(tab: AvatarPage, broker: Demo) -> None:
    requests: list[Request] = []
    tab.page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    await tab.page.goto(f"{broker.url}/approaches")
    for title in APPROACHES:
        panel = DemoPanel(tab, title)
        await panel.run()
        await panel.speak("What I say is no secret.")
        await panel.button("Stop").click()
        await expect(
            panel.region.get_by_role("cell", name=STOPS[title], exact=True)
        ).to_be_visible()
        await panel.button("End").click()
        await expect(panel.region.locator("tbody tr").last).to_contain_text("/end")

    seen = "\n".join([await _all_of(request) for request in requests])
    for expected in ("What I say is no secret.", "v=0", "ice-ufrag", "avatar-token", "visitor"):
        assert expected in seen
    assert KS not in seen
    assert SECRET_KEY not in seen
    tokens = set(JWT.findall(seen))
    assert len(tokens) == len(APPROACHES)
    assert [token for token in tokens if not _is_the_brokers(token)] == []


@pytest.mark.parametrize("title", APPROACHES)
async def test_direct_mode_says_whose_token_the_page_has(
    direct_broker: Demo, tab: AvatarPage, title: str
) -> None:
    await tab.page.goto(f"{direct_broker.url}/approaches")
    panel = DemoPanel(tab, title)
    await panel.run()
    await expect(panel.secrets.first).to_contain_text("Kaltura's own token, until")
    await panel.button("End").click()
    await panel.status_is("Ended")


@pytest.mark.parametrize("title", ["API control", "Hybrid"])
async def test_showing_needs_no_more_of_the_sdk_than_is_documented(
    tab: AvatarPage, sdk_demo: Demo, title: str
) -> None:
    async def serve(route: Route) -> None:
        await route.fulfill(path=STAND_IN, headers={"Access-Control-Allow-Origin": "*"})

    await tab.page.route(SDK_URL, serve)
    await tab.page.goto(f"{sdk_demo.url}/approaches")
    panel = DemoPanel(tab, title)
    session_id = await panel.run()
    await tab.sees_the_picture_go_on()
    await panel.button("End").click()
    await eventually(lambda: sdk_demo.session_is(session_id, "ended"), "the session is ended")
    assert await tab.page.evaluate("undocumented") == []


async def test_the_code_that_is_shown_is_the_code_that_runs(visit: AvatarPage) -> None:
    written = _squeezed(CODE.read_text(encoding="utf-8"))
    names = ("sdkControl", "apiControl", "hybrid")
    for title, name in zip(APPROACHES, names, strict=True):
        shown = _squeezed(await DemoPanel(visit, title).region.locator("code").inner_text())
        approach, _, _ = shown.partition("//client:")
        assert f"exportconst{name}={approach};" in written
    marked = visit.page.locator("mark")
    await expect(marked).to_have_text(["{ baseUrl: `${location.origin}/v1/avatar-session` },"])


async def test_starting_another_ends_the_one_before(visit: AvatarPage, broker: Demo) -> None:
    before = None
    for title in [*APPROACHES, APPROACHES[0]]:
        session_id = await DemoPanel(visit, title).run()
        if before:
            await DemoPanel(visit, before[0]).status_is("Ended")
            assert await broker.session_is(before[1], "ended")
        assert await broker.session_is(session_id, "live")
        before = (title, session_id)


@pytest.mark.parametrize("title", APPROACHES)
async def test_leaving_the_page_ends_the_session(
    visit: AvatarPage, broker: Demo, title: str
) -> None:
    session_id = await DemoPanel(visit, title).run()
    await visit.page.goto("about:blank")
    await eventually(lambda: broker.session_is(session_id, "ended"), "the session is ended")


@pytest.mark.parametrize("title", APPROACHES)
async def test_end_while_connecting_leaves_no_session_behind(
    visit: AvatarPage, broker: Demo, title: str
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def create_late(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    await visit.page.route(re.compile("/create"), create_late)
    visit.tolerated = ("Failed to load resource",)
    panel = DemoPanel(visit, title)
    async with visit.page.expect_response(_opens_a_session) as opened:
        await panel.button("Run").click()
        await asked.wait()
        await panel.button("End").click()
        await panel.status_is("Ended")
        answered.set()
    session_id = (await (await opened.value).json())["sessionId"]
    await eventually(lambda: broker.session_is(session_id, "ended"), "it is ended all the same")
    await panel.status_is("Ended")


async def test_who_finds_every_session_taken_waits_in_line(
    small_demo: Demo, tab: AvatarPage
) -> None:
    async with httpx.AsyncClient(base_url=small_demo.url) as rival:
        taken = (await rival.post("/api/create-avatar-session")).raise_for_status().json()
        await tab.page.goto(f"{small_demo.url}/approaches")
        panel = DemoPanel(tab, "API control")
        async with tab.page.expect_response(_opens_a_session) as opened:
            await panel.button("Run").click()
            await panel.status_is(re.compile("^You are next in line"))
            await rival.post(f"/api/avatar-sessions/{taken['sessionId']}/end")
        await panel.status_is("Live")
        await panel.button("End").click()
    session_id = (await (await opened.value).json())["sessionId"]
    await eventually(lambda: small_demo.session_is(session_id, "ended"), "the session is ended")


async def test_a_session_that_ended_elsewhere_is_told_and_can_be_run_again(
    visit: AvatarPage,
) -> None:
    visit.tolerated = ("Failed to load resource",)
    panel = DemoPanel(visit, "API control")
    session_id = await panel.run()
    await visit.page.evaluate(
        "id => fetch(`/api/avatar-sessions/${id}/end`, {method: 'POST'})", session_id
    )
    await panel.speak("Too late.")
    await panel.status_is(re.compile("ended"))
    await expect(panel.button("Run")).to_be_enabled()
    assert await panel.run() != session_id


async def test_the_keyboard_alone_is_enough(visit: AvatarPage, broker: Demo) -> None:
    panel = DemoPanel(visit, "Hybrid")
    await panel.button("Run").focus()
    async with visit.page.expect_response(_opens_a_session) as opened:
        await visit.page.keyboard.press("Enter")
    await panel.status_is("Live")
    await expect(panel.button("End")).to_be_focused()
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.press("Enter")
    await expect(panel.region.get_by_role("cell", name=f"{API}/speak")).to_be_visible()
    await visit.page.keyboard.press("Shift+Tab")
    await visit.page.keyboard.press("Enter")
    await panel.status_is("Ended")
    await expect(panel.button("Run")).to_be_focused()
    session_id = (await (await opened.value).json())["sessionId"]
    await eventually(lambda: broker.session_is(session_id, "ended"), "the session is ended")


async def test_text_has_contrast(visit: AvatarPage) -> None:
    await DemoPanel(visit, "SDK control").run()
    assert await faint(visit) == []


async def test_neither_a_phone_nor_a_small_window_scrolls_sideways(
    browser: Browser, broker: Demo
) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 800}, is_mobile=True)
    tab = AvatarPage(await context.new_page())
    await tab.page.goto(f"{broker.url}/approaches")
    for title in APPROACHES:
        await DemoPanel(tab, title).run()
        assert await tab.page.evaluate("document.documentElement.scrollWidth") == 360
    await tab.page.set_viewport_size({"width": 1000, "height": 800})
    assert await tab.page.evaluate("document.documentElement.scrollWidth") == 1000
    await context.close()
    assert tab.errors == []


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
