"""A real browser, a real broker with its emulator, and a tab that must end without an error."""

import base64
import hashlib
import os
import subprocess
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from app.emulator.speech.espeak import load_espeak
from app.kaltura.contract import MIRROR_PATH
from tests.support.avatar_page import AvatarPage, Demo
from tests.support.processes import NODE, ROOT, Running, running

SDK_URL: Final = "https://sdk.example/models-sdk-js/index.esm.js"
STAND_IN: Final = Path(__file__).with_name("stand_in_sdk.js")
Launch = Callable[[], Awaitable[Browser]]
"""Starts a browser; whoever does also closes it."""

CHROMIUM_ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
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


def program_of(browser: str) -> str:
    """Where a browser is, which is installed if need be."""
    ensure = [str(ROOT / "scripts/ensure-browser"), browser]
    found = subprocess.run(ensure, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


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


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser) -> AsyncIterator[AvatarPage]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    tab = AvatarPage(await context.new_page())
    yield tab
    await context.close()
    assert [error for error in tab.errors if not _tolerated(error, tab.tolerated)] == []


def _tolerated(error: str, tolerated: tuple[str, ...]) -> bool:
    return any(words in error for words in tolerated)


@contextmanager
def running_demo(emulator: Running, directory: Path, **settings: str) -> Iterator[Demo]:
    """A broker before an emulator, with room for every test unless the settings say otherwise."""
    settings = {
        "AVATAR_KS": "a-ks",
        "AVATAR_BASE_URL": f"{emulator.url}{MIRROR_PATH}",
        "AVATAR_ID": "ada",
        "AVATAR_VOICE_ID": "emulator-voice-en-1",
        "MAX_CONCURRENT_SESSIONS": "50",
        **settings,
    }
    with running("serve", directory, ready="/healthz", **settings) as broker:
        yield Demo(broker.url, emulator.url)
