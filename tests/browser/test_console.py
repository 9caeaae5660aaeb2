"""The operator's console in a browser: what goes on is seen, ended, found again and taken along."""

import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.accessibility import faint, overflows
from tests.support.avatar_page import AvatarPage, another_site
from tests.support.browsers import new_context
from tests.support.demo import OPERATED, TOKEN, Demo, RunDemo, sign_in
from tests.support.postgres import Postgres

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = "=Good news for you, dear visitor."


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, operated: Demo) -> AsyncIterator[AvatarPage]:
    """The operator's tab, signed in."""
    size = {"width": 1280, "height": 860}
    context = await new_context(browser, viewport=size, timezone_id="Asia/Tokyo")
    tab = AvatarPage(await context.new_page(), tolerated=("401",))
    await tab.page.goto(f"{operated.url}/operator")
    await sign_in(tab.page, TOKEN)
    await expect(tab.button("Sign out")).to_be_visible()
    yield tab
    await context.close()
    assert [error for error in tab.errors if "401" not in error] == []


def _hour(moment: str) -> int:
    found = re.search(r"(\d\d):\d\d:\d\d", moment)
    assert found, moment
    return int(found[1])


async def is_live(tab: AvatarPage) -> None:
    await expect(tab.page.locator("#line")).to_have_text("Live")


async def wrong(tab: AvatarPage) -> list[str]:
    """What keeps someone from reading or using the page."""
    sideways = []
    for width in (1280, 360):
        await tab.page.set_viewport_size({"width": width, "height": 800})
        sideways += [f"it scrolls sideways at {width}"] if await overflows(tab) else []
    return [*await tab.barriers(), *await faint(tab), *sideways]


async def test_who_has_the_token_gets_in_and_out_again(tab: AvatarPage, operated: Demo) -> None:
    tab.tolerated = ("401",)
    await tab.page.goto(f"{operated.url}/operator/usage")
    await sign_in(tab.page, "not the token")
    await expect(tab.page.get_by_role("alert")).to_have_text("That is not the token.")
    await expect(tab.page.get_by_label("Operator token")).to_be_focused()
    await sign_in(tab.page, TOKEN)
    await expect(tab.page.get_by_role("heading", name="minutes today")).to_be_visible()
    assert await tab.page.evaluate("document.cookie") == ""
    await tab.button("Sign out").click()
    await expect(tab.page.get_by_label("Operator token")).to_be_visible()


async def test_a_link_from_another_site_finds_the_operator_signed_in(
    tab: AvatarPage, operated: Demo
) -> None:
    tab.tolerated = ("401",)
    console = f"{operated.url}/operator"
    await tab.page.goto(console)
    await sign_in(tab.page, TOKEN)
    await expect(tab.button("Sign out")).to_be_visible()
    async with another_site(tab, console) as mail:
        await tab.page.goto(mail)
        await tab.page.get_by_text("Talk to it").click()
        await expect(tab.button("Sign out")).to_be_visible()


async def test_a_session_is_watched_ended_found_and_exported(
    console: AvatarPage, tab: AvatarPage, operated: Demo, tmp_path: Path
) -> None:
    tab.tolerated = ("Failed to load resource",)  # what its page is told when it is ended
    page = console.page
    await expect(page.get_by_role("heading", name="No session is open")).to_be_visible()

    await tab.page.goto(operated.url)
    session_id = await tab.start()
    card = page.get_by_role("listitem").filter(has_text=session_id[:8])
    await expect(card).to_contain_text("Nothing was said yet.")
    await expect(card).to_contain_text("Watched")
    for of_replicas in (page.locator("#replicas"), card.get_by_text("Replica")):
        await expect(of_replicas).to_be_hidden()  # with SQLite there are none
    await expect(card).to_contain_text(re.compile(r"1[45]:\d\d left"))
    await expect(page.get_by_role("heading", name="1 of 50 sessions is open")).to_be_visible()
    await tab.speak(WORDS)
    await expect(card).to_contain_text(WORDS)

    await card.get_by_role("button", name="End").click()
    await card.get_by_role("button", name="Really end it").press("Escape")
    await card.get_by_role("button", name="End", exact=True).click()
    await card.get_by_role("button", name="Really end it").click()
    await tab.status_is("Ended")
    await expect(tab.page.get_by_role("alert")).to_contain_text("ended by whoever runs this page")
    await expect(card).to_be_hidden()
    await expect(page.locator("#announcer")).to_have_text("1 session ended.")
    assert await operated.session_is(session_id, "ended")

    await page.get_by_role("link", name="Record").click()
    await page.get_by_label("Words").fill("good NEWS")
    await page.get_by_label("Words").press("Enter")
    entry = page.get_by_role("row").filter(has_text=WORDS)
    await expect(entry).to_have_count(1)
    time = entry.get_by_role("time")
    await expect(time).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d [\d:]{8} UTC$"))
    await expect(time).not_to_contain_text("UTC")
    utc, own = await time.get_attribute("title"), await time.inner_text()
    assert (_hour(own) - _hour(utc or "")) % 24 == 9  # Tokyo
    await entry.get_by_role("button").press("Enter")
    await expect(page.locator(".detail:not([hidden])")).to_contain_text(session_id)

    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV").click()
    await (await download.value).save_as(tmp_path / "record.csv")
    with (tmp_path / "record.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["event"], row["text"]) for row in rows] == [("say-text", f"'{WORDS}")]

    await entry.get_by_role("link").last.click()
    await expect(page.get_by_label("Session")).to_have_value(session_id)
    await expect(page.get_by_role("rowheader", name="ended")).to_have_count(1)


async def test_new_entries_announce_themselves_and_nothing_jumps(
    console: AvatarPage, tab: AvatarPage, operated: Demo
) -> None:
    page = console.page
    await page.goto(f"{operated.url}/operator/record?event=create")
    await is_live(console)
    before = await page.locator("tbody").count()
    await tab.page.goto(operated.url)
    await tab.start()
    news = page.get_by_role("link", name="1 new")
    await expect(news).to_be_visible()
    assert await page.locator("tbody").count() == before
    await news.click()
    await expect(page.locator("tbody")).to_have_count(before + 1)
    await tab.button("End").click()


async def test_the_console_can_be_read_and_used_by_everyone(
    console: AvatarPage, tab: AvatarPage, operated: Demo
) -> None:
    await tab.page.goto(operated.url)
    await tab.start()
    await tab.speak("Donaudampfschifffahrtsgesellschaftskapitän" * 5)
    await console.page.goto(f"{operated.url}/operator")
    await is_live(console)
    assert await wrong(console) == []
    await tab.button("End").click()
    await console.page.goto(f"{operated.url}/operator/record")
    await console.page.locator(".opener").first.click()
    assert await wrong(console) == []
    for path in ("usage", "record?text=nobody+said+this", "embed?origin=https://a.example"):
        await console.page.goto(f"{operated.url}/operator/{path}")
        assert await wrong(console) == [], path


async def test_replicas_and_what_is_wrong_with_them_can_be_read_and_a_broker_that_goes_is_told(
    browser: Browser, run_demo: RunDemo, own_postgres: Postgres, tmp_path: Path
) -> None:
    url = own_postgres.new_database()
    shared = {"DATABASE_URL": url, "SECRET_KEY": "a-signing-key-of-these-two-replicas"}
    context = await new_context(browser)
    console = AvatarPage(await context.new_page(), tolerated=("401",))
    with run_demo(tmp_path, **OPERATED, **shared) as demo:
        async with httpx.AsyncClient(base_url=demo.url) as visitor:
            session = (await visitor.post("/api/create-avatar-session")).json()
        # Not yet lapsed, so that it is not buried meanwhile.
        own_postgres.execute(
            url,
            "INSERT INTO replicas (holder, url, version, state, expires_at, settings_hash, stats) "
            "VALUES ('zz-other-replica', 'http://[2001:db8::7]:8000', '0.0.9', 'draining', "
            """extract(epoch FROM now()) + 600, 'other', '{"breaker": "open"}')""",
        )
        page = console.page
        await page.goto(f"{demo.url}/operator")
        await sign_in(page, TOKEN)
        await is_live(console)
        this_one, other = (page.locator(".replicas li").nth(n) for n in (0, 1))
        await expect(other).to_contain_text("zz-other takes no more sessions")
        await expect(other).to_contain_text("does not ask Kaltura")
        await expect(other).to_contain_text("settings are not those")
        await expect(this_one).to_contain_text("It answers here.")
        name = await this_one.locator(".name").inner_text()
        card = page.get_by_role("listitem").filter(has_text=session["sessionId"][:8])
        await expect(card).to_contain_text(name)
        assert await wrong(console) == []
    await expect(page.locator("#line")).not_to_have_text("Live")
    await context.close()
