"""What is heard is captioned, in its time, whatever comes first and whatever is lost."""

from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from tests.support.avatar_page import AUDIBLE, AvatarPage, eventually
from tests.support.demo import Demo

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG: Final = (
    "I could go on about this for a very long time, because there is so much to be said. " * 4
)
COMMA: Final = 0.09
SOON_SECONDS: Final = 0.8
"""A caption that comes so much later than its voice is late."""

STOP_AND_SPEAK: Final = """() => {
  const { shadowRoot } = document.querySelector("kaltura-avatar");
  const click = (name) => {
    [...shadowRoot.querySelectorAll("button")].find((each) => each.textContent === name).click();
  };
  return new Promise((resolve) => {
    const speak = (_, observer) => {
      if (shadowRoot.querySelector(".transcript .fate").textContent !== "stopped") return;
      observer.disconnect();
      click("Speak");
      resolve(probe.time());
    };
    const transcript = shadowRoot.querySelector(".transcript");
    new MutationObserver(speak).observe(transcript, { childList: true, subtree: true });
    click("Stop");
  });
}"""
"""Speaks as soon as Stop is answered: a driver may come when the old voice is over already."""

Faults = Any


@pytest_asyncio.fixture(loop_scope="session")
async def play(demo: Demo) -> AsyncIterator[Faults]:
    """Plays faults at Kaltura, until the test is over."""

    async def put(*faults: dict[str, object]) -> None:
        async with httpx.AsyncClient() as client:
            answer = await client.put(f"{demo.emulator_url}/emulator/faults", json=faults)
            answer.raise_for_status()

    yield put
    await put()


async def test_a_text_right_after_stop_is_captioned_while_it_is_heard(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    await tab.speak(LONG)
    await expect(tab.fates.first).to_contain_text("speaking")
    began = await tab.media_time()
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    await tab.text.fill("This is another text.")
    stopped = await tab.page.evaluate(STOP_AND_SPEAK)
    await expect(tab.fates.first).to_contain_text("said")

    _, ended = (await tab.voices_since(stopped))[-1]
    shown = {text: time for time, text in await tab.captions_since(stopped)}
    assert shown["This is another text."] < ended
    assert shown[""] > ended - 0.2
    await expect(tab.page.get_by_role("log")).to_contain_text("This is another text.")
    async with tab.page.expect_download() as saving:
        await tab.button("Save as WebVTT").click()
    saved = (await (await saving.value).path()).read_text(encoding="utf-8")
    assert "This is another text." in saved
    await tab.button("End").click()


async def test_each_text_is_captioned_while_it_is_heard_although_the_answers_come_later(
    tab: AvatarPage, demo: Demo, play: Faults
) -> None:
    await play({"operation": "say-text", "kind": "delay", "seconds": 2})
    await tab.page.goto(demo.url)
    await tab.start()
    before = await tab.media_time()
    for text in ("First.", "Second."):
        heard = await tab.media_time()
        await tab.speak(text)
        await expect(tab.fates.first).to_contain_text("speaking")
        await expect(tab.fates.first).to_contain_text("said")
        assert await tab.loud_since(heard)
    voices = await tab.voices_since(before)
    captions = [each for each in await tab.captions_since(before) if each[1]]
    assert [text for _, text in captions] == ["First.", "Second."]
    for (began, ended), (shown, _) in zip(voices, captions, strict=True):
        assert began - SOON_SECONDS < shown < min(ended, began + SOON_SECONDS)
    await tab.button("End").click()


async def test_the_pieces_of_a_long_sentence_come_with_the_voice(
    tab: AvatarPage, demo: Demo
) -> None:
    await tab.page.goto(demo.url)
    await tab.start()
    before = await tab.media_time()
    await tab.speak(
        "This is a sentence of more than ninety letters, which goes on for as long as you want, "
        "if only you stay with the voice."
    )
    await expect(tab.fates.first).to_contain_text("said")
    captions = await tab.captions_since(before)
    (_, first), (shown, second), _ = captions
    assert first[-1] == ","
    assert second.endswith("stay with the voice.")
    # The voice pauses at each comma, so where each part of the sentence is heard can be measured.
    samples = groupby(await tab.heard_since(before), lambda each: each["loudness"] > AUDIBLE)
    times = [(is_loud, [each["time"] for each in run]) for is_loud, run in samples]
    pauses = [run for is_loud, run in times[1:-1] if not is_loud and run[-1] - run[0] > COMMA]
    nearest = min(range(len(pauses)), key=lambda index: abs(shown - pauses[index][-1]))
    assert nearest == first.count(",") - 1, (shown, pauses)
    await tab.button("End").click()


async def test_an_answer_that_was_lost_is_no_failure(tab: AvatarPage, demo: Demo) -> None:
    tab.tolerated = ("Failed to load resource",)
    await tab.page.goto(demo.url)
    await tab.start()

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    await tab.page.route("**/speak", lose)
    before = await tab.media_time()
    await tab.speak("This will be heard all the same.")
    await expect(tab.fates.first).to_have_text("speaking")
    await expect(tab.page.locator(".caption:visible")).to_have_text(
        "This will be heard all the same."
    )
    await expect(tab.text).to_have_value("")
    await expect(tab.fates.first).to_have_text("said")
    assert await tab.loud_since(before)
    await expect(tab.page.get_by_role("alert")).to_be_hidden()
    await expect(tab.text).to_have_value("")
    await tab.button("End").click()


async def test_a_text_of_which_nobody_knows_says_so_until_it_is_heard(
    tab: AvatarPage, demo: Demo
) -> None:
    tab.tolerated = ("Failed to load resource",)
    await tab.page.goto(demo.url)
    await tab.start()
    problem = {"type": "/problems/kaltura-timeout", "title": "Kaltura did not answer in time"}
    await tab.page.route("**/speak", lambda route: route.fulfill(status=504, json=problem))
    await tab.speak("Perhaps.")
    await expect(tab.fates.first).to_have_text("unclear: you may hear it")
    await expect(tab.text).to_have_value("")
    await expect(tab.page.get_by_role("alert")).to_contain_text("you may hear it")
    # Where the broker has never heard of it, it was not said, and is given back.
    await expect(tab.fates.first).to_have_text("failed · it did not arrive")
    await expect(tab.text).to_have_value("Perhaps.")
    await expect(tab.page.get_by_role("alert")).to_be_hidden()
    await tab.button("End").click()
