"""The examples as their READMEs say, each driven once: live, a phrase heard, ended, one session."""

import json
import shutil
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import Frame, expect

from app.kaltura.contract import MIRROR_PATH
from tests.support.avatar_page import AvatarPage, eventually
from tests.support.client_package import NPM, packed, ran
from tests.support.demo import Demo, RunDemo
from tests.support.processes import BACKSTAGE, NODE, ROOT, Running, free_port, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES: Final = ROOT / "examples"
TOKEN: Final = "a-token-of-16-characters"
FLASK: Final = (sys.executable, "-m", "flask")
STATIC: Final = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
_MADE: Final = ("node_modules", ".next", ".venv", "__pycache__")
_MICROPHONE: Final = """
  navigator.mediaDevices.getUserMedia = async () =>
    new AudioContext().createMediaStreamDestination().stream;
"""
"""What some builds of Chromium do not have."""

_IS: Final = """([text, state]) => document.querySelector("kaltura-avatar").utterances
  .some((one) => one.text.startsWith(text) && one.state === state)"""


@pytest.fixture(scope="module")
def port() -> int:
    """Where an example is served."""
    return free_port()


@pytest.fixture(scope="module")
def broker(
    run_demo: RunDemo, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[Demo]:
    """A broker for the examples at this port."""
    origins = dict.fromkeys(("ALLOWED_ORIGINS", "FRAME_ANCESTORS"), f"http://127.0.0.1:{port}")
    folder = tmp_path_factory.mktemp("broker")
    with run_demo(folder, **origins, SERVICE_TOKENS=f"shop:{TOKEN}") as broker:
        yield broker


def copied(name: str, directory: Path, broker: Demo, port: int) -> Path:
    """An example for this broker at this port."""
    copy = directory / name
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns(*_MADE))
    for path in filter(Path.is_file, copy.rglob("*")):
        text = path.read_text(encoding="utf-8").replace("http://127.0.0.1:8000", broker.url)
        path.write_text(text.replace("--port 8010", f"--port {port}"), encoding="utf-8")
    return copy


def share_node_modules(directory: Path) -> None:
    """Lets the examples in a directory use what the project has installed for Node.js."""
    (directory / "node_modules").symlink_to(ROOT / "node_modules")


@contextmanager
def started(
    command: Sequence[str | Path], directory: Path, port: int, **settings: str
) -> Iterator[str]:
    """An example that its command serves at this port; gives its address."""
    log = directory / "example.log"
    settings["PORT"] = str(port)
    with serving(command, directory, port=port, ready="/", log=log, **settings) as example:
        yield example.url


async def sessions(emulator: Running) -> dict[str, dict[str, Any]]:
    """What the emulator knows of each session."""
    async with httpx.AsyncClient() as client:
        known = (await client.get(f"{emulator.url}{BACKSTAGE}")).raise_for_status().json()
    return {session["sessionId"]: session for session in known["sessions"]}


@asynccontextmanager
async def one_session(emulator: Running) -> AsyncIterator[list[str]]:
    """A block in which one session is opened, and ended; the list then has what was to be said."""
    before = await sessions(emulator)
    texts: list[str] = []
    yield texts
    [opened] = (await sessions(emulator)).keys() - before.keys()

    async def is_ended() -> bool:
        return bool((await sessions(emulator))[opened]["state"] == "ended")

    await eventually(is_ended, "the one session is ended")
    calls = (await sessions(emulator))[opened]["calls"]
    texts += [call["text"] for call in calls if call["operation"] == "say-text"]


async def becomes(frame: Frame, text: str, state: str) -> None:
    """Waits until an utterance that begins so is being heard, or was."""
    await eventually(lambda: frame.evaluate(_IS, [text, state]), f"{text} is {state}")


async def says_hello(tab: AvatarPage) -> None:
    """Says what a visitor types, in a session from Start to End."""
    await tab.button("Start").click()
    await tab.status_is("Live")
    await tab.speak("Hello!")
    await becomes(tab.page.main_frame, "Hello!", "said")
    # The answer too: the page asks again for one that is lost, and the broker may be stopped now.
    async with tab.page.expect_response(lambda answer: answer.url.endswith("/end")):
        await tab.button("End").click()
    await tab.status_is("Ended")


async def greets(tab: AvatarPage, emulator: Running, words: str) -> None:
    """Sees a page in one session say a greeting, and show what was said."""
    async with one_session(emulator):
        await tab.button("Start").click()
        await tab.status_is("Live")
        await tab.button("Greet").click()
        await expect(tab.page.get_by_text(f"Said last: {words}")).to_be_visible()
        await tab.button("End").click()
        await tab.status_is("Ended")


async def test_new_words_break_off_what_the_language_model_answers(
    emulator: Running, tab: AvatarPage, tmp_path: Path
) -> None:
    command = [sys.executable, str(EXAMPLES / "conversation")]
    settings = {
        "BROKER_URL": f"http://127.0.0.1:{free_port()}",
        "AVATAR_KS": "a-ks",
        "AVATAR_BASE_URL": f"{emulator.url}{MIRROR_PATH}",
        "AVATAR_ID": "ada",
        "AVATAR_VOICE_ID": "emulator-voice-en-1",
    }
    with started(command, tmp_path, free_port(), **settings) as address:
        await tab.page.add_init_script(_MICROPHONE)
        await tab.page.goto(address)
        async with one_session(emulator) as texts:
            await tab.button("Talk").click()
            await tab.button("Send what I said").click()
            await becomes(tab.page.main_frame, "I say what a language model writes", "speaking")
            await tab.page.get_by_role("textbox", name="You").fill("Hello!")
            await tab.button("Send").click()
            await becomes(tab.page.main_frame, "Hello! Ask me what I can do.", "said")
            await tab.button("End").click()
            await tab.status_is("Ended")
    assert "a real one answers" not in " ".join(texts)


async def test_two_lines_of_html_show_an_avatar(
    emulator: Running, broker: Demo, port: int, tab: AvatarPage, tmp_path: Path
) -> None:
    folder = copied("html", tmp_path, broker, port)
    with started([*STATIC, str(port)], folder, port) as address:
        await tab.page.goto(address)
        async with one_session(emulator):
            await says_hello(tab)


async def test_the_page_around_a_frame_lets_the_avatar_speak(
    emulator: Running, broker: Demo, port: int, tab: AvatarPage, tmp_path: Path
) -> None:
    folder = copied("frame", tmp_path, broker, port)
    with started([*STATIC, str(port)], folder, port) as address:
        await tab.page.goto(address)
        async with one_session(emulator):
            await tab.button("Greet").click()
            frame = tab.page.frame_locator("iframe")
            await expect(frame.get_by_role("status")).to_have_text("Live")
            await becomes(tab.page.frames[1], "Hello!", "said")
            await frame.get_by_role("button", name="End", exact=True).click()
            await expect(frame.get_by_role("status")).to_have_text("Ended")


async def test_reacts_strict_mode_opens_one_session(
    emulator: Running, broker: Demo, port: int, tab: AvatarPage, tmp_path: Path
) -> None:
    folder = copied("react", tmp_path, broker, port)
    share_node_modules(tmp_path)
    with tarfile.open(packed(tmp_path / "tree", tmp_path)) as package:
        package.extractall(tmp_path, filter="data")
    shutil.move(tmp_path / "package", folder / "node_modules/@avatar-broker/client")
    esbuild = ROOT / "node_modules/.bin/esbuild"
    development = '--define:process.env.NODE_ENV="development"'  # in others nothing is strict
    options = ("--bundle", "--format=esm", "--jsx=automatic", development)
    ran(folder, esbuild, "main.jsx", *options, "--outfile=main.js")
    page = (folder / "index.html").read_text(encoding="utf-8")
    (folder / "index.html").write_text(page.replace("main.jsx", "main.js"), encoding="utf-8")
    with started([*STATIC, str(port)], folder, port) as address:
        await tab.page.goto(address)
        await greets(tab, emulator, "Hello from React!")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("express", [str(NODE), "server.js"]),
        ("flask", [*FLASK, "--app", "shop", "run"]),
        ("django", [sys.executable, "manage.py", "runserver", "--noreload", "PORT"]),
    ],
)
async def test_a_shop_opens_the_session_and_decides_what_is_said(
    name: str,
    command: list[str],
    emulator: Running,
    broker: Demo,
    port: int,
    tab: AvatarPage,
    tmp_path: Path,
) -> None:
    folder = copied(name, tmp_path, broker, port)
    share_node_modules(tmp_path)
    settings = {"SERVICE_TOKEN": TOKEN, "FLASK_RUN_PORT": str(port)}
    command = [part.replace("PORT", str(port)) for part in command]
    with started(command, folder, port, **settings) as address:
        await tab.page.goto(address)
        async with one_session(emulator):
            await tab.button("Start").click()
            await tab.status_is("Live")
            await tab.button("Where is my parcel?").click()
            await becomes(tab.page.main_frame, "Your parcel is on its way.", "said")
            await tab.button("End").click()
            await tab.status_is("Ended")


async def test_whoever_has_signed_in_may_talk_with_the_avatar_and_nobody_else(
    emulator: Running, run_demo: RunDemo, port: int, tab: AvatarPage, tmp_path: Path
) -> None:
    club = f"http://127.0.0.1:{port}"
    by_login = {"AUTH_MODE": "jwt", "AUTH_ISSUER": "club", "AUTH_AUDIENCE": "avatar"}
    by_login |= {"AUTH_JWKS_URL": f"{club}/keys", "ALLOWED_ORIGINS": club}
    settings = {"FLASK_RUN_PORT": str(port), "PASSWORD": "a-password"}
    tab.tolerated = ("401",)
    with run_demo(tmp_path, **by_login) as broker:
        folder = copied("login", tmp_path, broker, port)
        with started([*FLASK, "--app", "club", "run"], folder, port, **settings) as address:
            await tab.page.goto(address)
            async with one_session(emulator):
                await tab.button("Start").click()
                await tab.status_is("You are not signed in")
                await tab.page.get_by_label("Name").fill("ada")
                await tab.page.get_by_label("Password").fill("a-password")
                await tab.button("Sign in").click()
                await says_hello(tab)


@pytest.mark.installs
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "words"),
    [("react", "Hello from React!"), ("vue", "Hello from Vue!"), ("next", "Hello from Next.js!")],
)
async def test_an_example_with_a_bundler_runs_with_the_packages_of_its_lock(
    name: str,
    words: str,
    emulator: Running,
    broker: Demo,
    port: int,
    tab: AvatarPage,
    tmp_path: Path,
) -> None:
    packages = tmp_path / "clients/js"
    packages.mkdir(parents=True)
    packed(tmp_path / "tree", packages)
    folder = copied(name, tmp_path / "examples", broker, port)
    ran(folder, NPM, "ci", "--no-audit", "--no-fund", seconds=600)
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    program, *options = package["scripts"]["start"].split()
    command = [NODE, folder / "node_modules/.bin" / program, *options]
    with started(command, folder, port) as address:
        await tab.page.goto(address)
        await greets(tab, emulator, words)
        await tab.page.goto("about:blank")  # else it looks for the server that renews it
