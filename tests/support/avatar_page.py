"""The page as a visitor uses it, and what a probe in it sees and hears."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Locator, Page, expect

PATIENCE_MS: Final = 20_000
AUDIBLE: Final = 0.01
SILENT: Final = 0.003
CREATED: Final = 201
PAUSE_SECONDS: Final = 0.5
MORE_FRAMES: Final = 3
_AXE: Final = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_WRONG: Final = """async (rules) => {
  const runOnly = { type: "tag", values: rules };
  const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}"""
_PROBE: Final = (Path(__file__).parents[1] / "browser/probe.js").read_text(encoding="utf-8")


@dataclass
class AvatarPage:
    """One visitor's tab; `errors` holds what the console and the page complained about."""

    page: Page
    errors: list[str] = field(default_factory=list)
    session_ids: list[str] = field(default_factory=list)
    tolerated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(f"thrown: {error}"))
        self.page.on("response", self._note)

    def button(self, name: str) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def text(self) -> Locator:
        """The box for what shall be said."""
        return self.page.get_by_role("textbox", name="Text to speak")

    @property
    def fates(self) -> Locator:
        """The fates of the lines, newest first."""
        return self.page.locator(".transcript .fate")

    async def status_is(self, words: str) -> None:
        """Waits until the status reads exactly this."""
        await expect(self.page.get_by_role("status")).to_have_text(words)

    async def start(self) -> str:
        """Clicks Start, waits until it is live, and returns the session's id."""
        await self.button("Start").click()
        await self.status_is("Live")
        await self.probe()
        return self.session_ids[-1]

    async def probe(self) -> None:
        """Looks at the video that is there now, and listens to it."""
        await self.page.evaluate(_PROBE)

    async def speak(self, text: str) -> None:
        """Types a text and clicks Speak."""
        await self.text.fill(text)
        await self.button("Speak").click()

    async def frames(self) -> int:
        """How many frames have been shown."""
        return int(await self.page.evaluate("probe.frames()"))

    async def media_time(self) -> float:
        """Seconds of media that were played."""
        return float(await self.page.evaluate("probe.time()"))

    async def sees_the_picture_go_on(self) -> None:
        """Waits until frames are shown that were not there yet."""
        seen = await self.frames()

        async def more_are_shown() -> bool:
            return await self.frames() >= seen + MORE_FRAMES

        await eventually(more_are_shown, "frames are decoded")

    async def played(self, time: float) -> bool:
        """Whether the media has come so far."""
        return await self.media_time() >= time

    async def loud_since(self, time: float) -> bool:
        """Whether a voice was heard from a moment of the media on."""
        return any(sample["loudness"] > AUDIBLE for sample in await self.heard_since(time))

    async def goes_silent(self, seconds: float) -> None:
        """Waits until nothing was heard for so long."""
        begun = await self.media_time()

        async def is_silent() -> bool:
            now = await self.media_time()
            samples = await self.heard_since(now - seconds)
            was_silent = all(sample["loudness"] < SILENT for sample in samples)
            return was_silent and now - begun > seconds

        await eventually(is_silent, "nothing is heard")

    async def heard_since(self, time: float) -> list[dict[str, float]]:
        """Samples `{time, loudness}` from a moment of the media on."""
        samples: list[dict[str, float]] = await self.page.evaluate("probe.heardSince", time)
        return samples

    async def barriers(self) -> list[str]:
        """What keeps someone from using the page as it is now, as far as axe can tell."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found: list[str] = await self.page.evaluate(_WRONG, _RULES)
        return found

    async def captions_since(self, time: float) -> list[tuple[float, str]]:
        """When in the media each caption was shown, "" being none, from a moment on."""
        shown: list[dict[str, Any]] = await self.page.evaluate("probe.captionsSince", time)
        return [(each["time"], each["text"]) for each in shown]

    async def caption_shown(self, words: str) -> float:
        """Waits until these words are captioned, however shortly; when in the media that began."""
        found: list[float] = []

        async def is_shown() -> bool:
            found[:] = [time for time, text in await self.captions_since(0) if text == words]
            return bool(found)

        await eventually(is_shown, f"the caption reads {words!r}")
        return found[0]

    async def voices_since(self, time: float) -> list[tuple[float, float]]:
        """When in the media a voice began and ended, pauses of up to half a second left out."""
        voices: list[tuple[float, float]] = []
        for sample in await self.heard_since(time):
            if sample["loudness"] <= AUDIBLE:
                continue
            now = sample["time"]
            if voices and now - voices[-1][1] < PAUSE_SECONDS:
                voices[-1] = (voices[-1][0], now)
            else:
                voices.append((now, now))
        return voices

    async def mouth_motion(self, frames: int) -> float:
        """How much the mouth's part of the picture changes over so many frames; 0 is not at all."""
        return float(await self.page.evaluate("probe.mouthMotion", frames))

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text} ({message.location.get('url')})")

    async def _note(self, response: Any) -> None:
        if response.url.endswith("/api/create-avatar-session") and response.status == CREATED:
            self.session_ids.append((await response.json())["sessionId"])


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Polls until a condition holds, generously; `what` says it in words for a failure."""
    try:
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not await condition():  # noqa: ASYNC110 - another process can't set our event
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"this did not come true: {what}")


@asynccontextmanager
async def another_site(tab: AvatarPage, target: str) -> AsyncIterator[str]:
    """A page of `localhost`, which is another site than 127.0.0.1, with a link to `target`."""
    url = "http://localhost:1/mail"
    link = f'<meta charset="utf-8"><title>A mail</title><a href="{target}">Talk to it</a>'
    await tab.page.context.route(
        url, lambda route: route.fulfill(body=link, content_type="text/html")
    )
    yield url
    await tab.page.context.unroute(url)
