"""A real browser, a real broker with its emulator, and a tab that must end without an error."""

import os
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from app.emulator.settings import CATALOG_TAG
from app.emulator.speech.espeak import load_espeak
from tests.support.avatar_page import PATIENCE_MS, AvatarPage
from tests.support.browsers import new_context, program_of
from tests.support.demo import OPERATED, WITH_STAND_IN, Demo, Launch, RunDemo, running_demo
from tests.support.processes import NODE, ROOT, Running, free_port
from tests.support.site import Site, running_site

CHROMIUM_ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",  # nobody is there to allow the microphone
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def launch(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Launch]:
    # Playwright's own Node.js wants a library that a fresh Debian lacks; ours wants none.
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(NODE))
    program = program_of("chromium")
    microphone = _someone_speaking(tmp_path_factory.mktemp("microphone"))
    arguments = [*CHROMIUM_ARGUMENTS, f"--use-file-for-fake-audio-capture={microphone}"]
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        yield lambda: playwright.chromium.launch(executable_path=program, args=arguments)


def _someone_speaking(directory: Path) -> Path:
    """What the microphone hears, over and over."""
    samples, _, rate = load_espeak().synthesise("I say this myself.", "en-us", "m3", 165)
    path = directory / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(launch: Launch) -> AsyncIterator[Browser]:
    browser = await launch()
    yield browser
    await browser.close()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as the image has it: what a page loads is bundled, which takes half of the time."""
    tree = tmp_path_factory.mktemp("image")
    for folder in ("app", "static", "templates"):
        shutil.copytree(ROOT / folder, tree / folder)
    subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts/bundle", tree / "static"],
        env={"PATH": f"{NODE.parent}:/usr/bin:/bin"},
        check=True,
    )
    return tree


@pytest.fixture(scope="session")
def run_demo(emulator: Running, image: Path) -> RunDemo:
    """Runs a broker of the image before the emulator."""
    return partial(running_demo, emulator, PYTHONPATH=str(image))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[Site]:
    """A site of another origin."""
    async with running_site(free_port()) as site:
        yield site


@pytest.fixture(scope="session")
def demo(run_demo: RunDemo, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A broker that the pages of the site may call."""
    with run_demo(tmp_path_factory.mktemp("demo"), ALLOWED_ORIGINS=site.url) as demo:
        yield demo


@pytest.fixture(scope="session")
def sdk_demo(
    run_demo: RunDemo, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A broker whose pages take the SDK from `SDK_URL`, and only as the stand-in's file has it."""
    folder = tmp_path_factory.mktemp("sdk-demo")
    with run_demo(folder, ALLOWED_ORIGINS=site.url, **WITH_STAND_IN) as demo:
        yield demo


@pytest.fixture(scope="session")
def choice_demo(
    run_demo: RunDemo, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A broker that offers all that the emulator has, and hands out Kaltura's own tokens."""
    offered = {"AVATAR_CATALOG_TAG": CATALOG_TAG, "AVATAR_TOKEN_MODE": "direct"}
    folder = tmp_path_factory.mktemp("choice")
    with run_demo(folder, ALLOWED_ORIGINS=site.url, **offered) as demo:
        yield demo


@pytest.fixture(scope="session")
def small_demo(
    run_demo: RunDemo, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A broker with room for one session, and a look of its own."""
    look = {"PAGE_ACCENT": "#ffe600", "PAGE_DEVELOPER": "false", "PAGE_PHRASES": "Good morning."}
    settings = {"ALLOWED_ORIGINS": site.url, "MAX_CONCURRENT_SESSIONS": "1", **look}
    with run_demo(tmp_path_factory.mktemp("small"), **settings) as demo:
        yield demo


@pytest.fixture(scope="session")
def operated(
    run_demo: RunDemo, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """A broker with an operator, that may be in a frame on the site, and be called from nowhere."""
    settings = {**OPERATED, "FRAME_ANCESTORS": site.local_url}
    with run_demo(tmp_path_factory.mktemp("operated"), **settings) as demo:
        yield demo


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[AvatarPage]:
    """A tab; a test asks for a broker of its own before, so that the broker outlives the tab."""
    context = await new_context(browser, viewport={"width": 1280, "height": 800})
    tab = AvatarPage(await context.new_page())
    yield tab
    await context.close()
    assert [error for error in tab.errors if not _tolerated(error, tab.tolerated)] == []


def _tolerated(error: str, tolerated: tuple[str, ...]) -> bool:
    return any(words in error for words in tolerated)
