"""A real browser, a real broker with its emulator, and a tab that must end without an error."""

import base64
import hashlib
import os
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from app.emulator.speech.espeak import load_espeak
from tests.support.avatar_page import AvatarPage
from tests.support.browsers import program_of
from tests.support.demo import OPERATED, SDK_URL, STAND_IN, Demo, Launch, running_demo
from tests.support.processes import BACKSTAGE, NODE, Running, free_port, running
from tests.support.site import calls_allowed_from

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


@pytest.fixture
def moving_demo(tmp_path: Path) -> Iterator[Demo]:
    """A broker before an emulator whose picture moves."""
    with (
        running("emulator", tmp_path, ready=BACKSTAGE) as emulator,
        running_demo(emulator, tmp_path) as demo,
    ):
        yield demo


@pytest.fixture(scope="session")
def demo(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(emulator, tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="session")
def sdk_demo(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A broker whose page takes the SDK from `SDK_URL`, which a test must serve or leave dead."""
    folder = tmp_path_factory.mktemp("sdk-demo")
    with running_demo(emulator, folder, AVATAR_SDK_URL=SDK_URL) as demo:
        yield demo


@pytest.fixture(scope="session")
def hashed_demo(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Likewise, and it must be the stand-in as it stands in its file."""
    digest = base64.b64encode(hashlib.sha384(STAND_IN.read_bytes()).digest()).decode()
    integrity = {"AVATAR_SDK_URL": SDK_URL, "AVATAR_SDK_INTEGRITY": f"sha384-{digest}"}
    with running_demo(emulator, tmp_path_factory.mktemp("hashed"), **integrity) as demo:
        yield demo


@pytest.fixture(scope="session")
def operated(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A broker with an operator."""
    with running_demo(emulator, tmp_path_factory.mktemp("operated"), **OPERATED) as demo:
        yield demo


@pytest.fixture
def impatient_demo(emulator: Running, tmp_path: Path) -> Iterator[Demo]:
    """A broker that soon ends what nobody watches; a page gives a sign of life every 10 s."""
    with running_demo(emulator, tmp_path, SESSION_IDLE_SECONDS="12") as demo:
        yield demo


@pytest.fixture
def small_demo(emulator: Running, tmp_path: Path) -> Iterator[Demo]:
    """A broker with room for one."""
    with running_demo(emulator, tmp_path, MAX_CONCURRENT_SESSIONS="1") as demo:
        yield demo


@pytest.fixture(scope="module")
def port() -> int:
    """Where a site of another origin is."""
    return free_port()


@pytest.fixture(scope="module")
def broker(
    emulator: Running, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[Demo]:
    """A broker that the pages of that site may call."""
    folder = tmp_path_factory.mktemp("broker")
    with running_demo(emulator, folder, **calls_allowed_from(port)) as broker:
        yield broker


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[AvatarPage]:
    """A tab; a test asks for a broker of its own before, so that the broker outlives the tab."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    tab = AvatarPage(await context.new_page())
    yield tab
    await context.close()
    assert [error for error in tab.errors if not _tolerated(error, tab.tolerated)] == []


def _tolerated(error: str, tolerated: tuple[str, ...]) -> bool:
    return any(words in error for words in tolerated)
