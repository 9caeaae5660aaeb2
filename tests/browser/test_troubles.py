"""Whatever goes wrong, the page says what happened and what to do next."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

CREATE = "**/api/create-avatar-session"
SOON_MS = 5000
"""So long an alarm may stand after its cause is over."""

PLACES = """all => all
  .filter(each => each.checkVisibility() && !each.closest(".messages"))
  .map(each => JSON.stringify(each.getBoundingClientRect()))"""


@pytest.fixture(autouse=True)
def _failed_loads_are_expected(tab: AvatarPage) -> None:
    tab.tolerated = ("Failed to load resource",)


async def test_a_problem_of_create_is_told_in_words_and_start_can_be_tried_again_in_time(
    tab: AvatarPage, demo: Demo
) -> None:
    notice = tab.page.get_by_role("alert")
    await tab.page.clock.install()
    await tab.page.goto(demo.url)
    await _answer_with_problem(tab.page, CREATE, "at-capacity", 503, {"Retry-After": "20"})
    await tab.button("Start").click()
    await tab.status_is("Told in the title")
    await expect(notice).to_contain_text("Told in the detail.")
    await expect(notice).to_contain_text("Press Start again in 20 seconds.")
    await expect(notice).to_contain_text("Request a-request-id")
    await notice.get_by_text("a-request-id", exact=True).click()
    assert await tab.page.evaluate("getSelection().toString()") == "a-request-id"

    # What takes until tomorrow is not counted down.
    await _answer_with_problem(tab.page, CREATE, "budget-spent", 429, {"Retry-After": "36000"})
    await tab.button("Start").click()
    await expect(notice).to_contain_text("Come back in 10 hours.")
    await expect(notice.get_by_role("button")).to_have_count(0)

    await _answer_with_problem(tab.page, CREATE, "kaltura-unavailable", 503, {"Retry-After": "2"})
    await tab.page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    await tab.button("Start").click()
    again = notice.get_by_role("button")
    await expect(again).to_have_text("Try again in 2 s")
    await tab.page.clock.run_for(1000)
    await expect(again).to_have_text("Try again in 1 s")
    await expect(again).to_be_disabled()
    await tab.page.unroute(CREATE)
    await tab.page.clock.resume()
    await tab.button("Try again").click()
    await tab.status_is("Live")
    await expect(notice).to_be_hidden()
    await tab.button("End").click()


async def test_no_connection_is_told_as_long_as_there_is_none(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    notice = tab.page.get_by_role("alert")
    # Once where the browser tells that it is back, and once where only the server was away.
    await tab.page.context.set_offline(True)
    await tab.button("Stop").click()
    await expect(notice).to_contain_text("No connection")
    await tab.page.context.set_offline(False)
    await expect(notice).to_be_hidden(timeout=SOON_MS)
    await tab.status_is("Live")

    await tab.page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    await tab.button("Stop").click()
    await expect(notice).to_contain_text("No connection")
    await tab.page.unroute("**/api/**")
    await expect(notice).to_be_hidden(timeout=SOON_MS)
    await tab.button("End").click()
    await tab.status_is("Ended")

    await tab.page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    await tab.button("Start").click()
    await tab.status_is("No connection")
    await tab.page.unroute("**/api/**")
    await expect(notice).to_be_hidden(timeout=SOON_MS)
    await tab.status_is("Ready")


async def test_a_notice_moves_nothing(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    title = "This is the title of a problem, and a rather long one"
    notice = tab.page.get_by_role("alert")
    placed = tab.page.locator("button, textarea, h2")
    for width in (1280, 667, 320):
        await tab.page.set_viewport_size({"width": width, "height": 600})
        await _answer_with_problem(tab.page, "**/interrupt", "kaltura-error", 502, title=title)
        await tab.text.fill("Something")
        before = await placed.evaluate_all(PLACES)
        await tab.text.press("Escape")  # stops, as the button does
        await tab.status_is(title)
        await expect(notice).to_contain_text(title)
        assert await placed.evaluate_all(PLACES) == before, width
        await tab.page.unroute("**/interrupt")
        await tab.button("Try again").click()
        await expect(notice).to_be_hidden()
        await tab.status_is("Live")
    await tab.button("End").click()


async def test_a_line_that_failed_says_so_and_is_given_back_and_an_end_is_told_with_its_reason(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    await _answer_with_problem(tab.page, "**/speak", "speech-unavailable", 503)
    await tab.speak("Nobody will hear this.")
    await expect(tab.fates.first).to_have_text("failed · Told in the title")
    await expect(tab.text).to_have_value("Nobody will hear this.")
    await tab.status_is("Told in the title")
    await tab.status_is("Live")

    await tab.page.unroute("**/speak")
    await tab.button("Speak").click()
    await expect(tab.fates.first).to_contain_text("speaking")

    await _answer_with_problem(tab.page, "**/speak", "session-ended", 410, endReason="budget")
    await tab.speak("Is there time for this?")
    await tab.status_is("Ended")
    await expect(tab.page.get_by_role("alert")).to_contain_text(
        "Today's minutes are used up. There are new ones tomorrow."
    )


async def test_a_refused_picture_is_told_and_its_session_ended(tab: AvatarPage, demo: Demo) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=404, headers={"Access-Control-Allow-Origin": "*"})

    await tab.page.route("**/whep/**", refuse)
    await tab.page.goto(demo.url)
    await tab.button("Start").click()
    await expect(tab.page.get_by_role("status")).to_contain_text("The session is gone")
    await expect(tab.page.get_by_role("alert")).to_contain_text("press Start", ignore_case=True)
    session_id = tab.session_ids[0]
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_a_lost_picture_comes_back_by_itself(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(demo.url)
    async with tab.page.expect_response("**/whep/**") as subscribed:
        session_id = await tab.start()
    viewer = (await (await subscribed.value).all_headers())["location"]
    async with httpx.AsyncClient() as someone_else:
        lost = await someone_else.delete(f"{demo.emulator_url}{viewer}")
    assert lost.is_success
    notice = tab.page.get_by_role("alert")
    await expect(notice).to_contain_text("is being fetched again")
    await expect(notice).to_be_hidden()
    await tab.status_is("Live")
    time = await tab.media_time()
    await eventually(lambda: tab.played(time + 1), "the picture moves again")
    assert await demo.session_is(session_id, "live")
    await tab.button("End").click()
    await eventually(lambda: demo.session_is(session_id, "ended"), "the session is ended")


async def test_the_last_minute_is_announced(tab: AvatarPage, demo: Demo) -> None:
    await _shorten_the_session(tab.page, seconds=62)
    await tab.page.goto(demo.url)
    await tab.start()
    await expect(tab.page.get_by_role("alert")).to_contain_text("One minute left")
    await expect(tab.page.locator(".clock")).to_contain_text("0:")
    await tab.status_is("Live")
    await tab.button("End").click()


async def test_when_the_time_is_up_the_page_says_so(tab: AvatarPage, demo: Demo) -> None:
    seen = asyncio.Event()

    async def tell_once_seen(route: Route) -> None:
        await seen.wait()
        await route.fulfill(json={"state": "ended", "secondsLeft": 0, "endReason": "expired"})

    await _shorten_the_session(tab.page, seconds=3)
    await tab.page.route(
        lambda url: url.rpartition("/")[0].endswith("/api/avatar-sessions"), tell_once_seen
    )
    await tab.page.goto(demo.url)
    await tab.button("Start").click()
    notice = tab.page.get_by_role("alert")
    await expect(notice).to_contain_text("Less than a minute left")
    seen.set()
    await tab.status_is("Ended")
    await expect(notice).to_contain_text("Its time was up. Press Start to open a new session.")
    await expect(tab.page.locator(".clock")).to_be_hidden()


async def test_blocked_sound_can_be_turned_on(tab: AvatarPage, demo: Demo) -> None:
    # What a browser does that wants a gesture: play() with sound is refused until one comes.
    await tab.page.add_init_script(
        """
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
          if (this.muted || window.gesture) return play.call(this);
          return Promise.reject(new DOMException("", "NotAllowedError"));
        };
        """
    )
    await tab.page.goto(demo.url)
    await tab.start()
    turn_on = tab.button("Sound is off — turn on")
    await expect(turn_on).to_be_visible()
    assert await tab.page.evaluate("document.querySelector('video').muted")

    await tab.page.evaluate("gesture = true")
    await turn_on.click()
    await expect(turn_on).to_be_hidden()
    assert not await tab.page.evaluate("document.querySelector('video').muted")
    await tab.button("End").click()


async def _shorten_the_session(page: Page, *, seconds: int) -> None:
    """Lets the page believe that its session ends so soon: no event tells it better."""

    async def shorten(route: Route) -> None:
        answer = await route.fetch()
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        shorter = {"expiresAt": ends.isoformat(), "secondsLeft": seconds}
        await route.fulfill(response=answer, json=await answer.json() | shorter)

    await page.route(CREATE, shorten)
    await page.route("**/events", lambda route: route.abort())


async def _answer_with_problem(
    page: Page,
    url: str,
    name: str,
    status: int,
    headers: dict[str, str] | None = None,
    **extensions: str,
) -> None:
    problem = {
        "type": f"/problems/{name}",
        "title": "Told in the title",
        "status": status,
        "detail": "Told in the detail.",
        "requestId": "a-request-id",
        **extensions,
    }
    await page.route(
        url,
        lambda route: route.fulfill(
            status=status,
            json=problem,
            headers={"Content-Type": "application/problem+json", **(headers or {})},
        ),
    )


async def test_a_session_in_another_tab_can_be_ended_from_here(tab: AvatarPage, demo: Demo) -> None:
    other = AvatarPage(await tab.page.context.new_page())
    await other.page.goto(demo.url)
    elsewhere = await other.start()
    await tab.page.goto(demo.url)
    await tab.button("Start").click()
    await tab.status_is("You already have a session")
    await tab.button("End it and start here").click()
    await tab.status_is("Live")
    assert await demo.session_is(elsewhere, "ended")
    await tab.button("End").click()
    await tab.status_is("Ended")
