"""The examples as their READMEs say, each driven once: live, a phrase heard, ended, one session."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import Frame

from app.kaltura.contract import MIRROR_PATH
from tests.support.avatar_page import AvatarPage, eventually
from tests.support.processes import BACKSTAGE, ROOT, Running, free_port, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLES: Final = ROOT / "examples"
MOST_LINES: Final = 60
_MICROPHONE: Final = """
  navigator.mediaDevices.getUserMedia = async () =>
    new AudioContext().createMediaStreamDestination().stream;
"""
"""What some builds of Chromium do not have."""

_IS: Final = """([text, state]) => document.querySelector("kaltura-avatar").utterances
  .some((one) => one.text.startsWith(text) && one.state === state)"""


async def sessions(emulator: Running) -> dict[str, dict[str, Any]]:
    """What the emulator knows of each session."""
    async with httpx.AsyncClient() as client:
        known = (await client.get(f"{emulator.url}{BACKSTAGE}")).raise_for_status().json()
    return {session["sessionId"]: session for session in known["sessions"]}


@asynccontextmanager
async def one_session(emulator: Running) -> AsyncIterator[None]:
    """A block in which one session is opened, and ended."""
    before = await sessions(emulator)
    yield
    [opened] = (await sessions(emulator)).keys() - before.keys()

    async def is_ended() -> bool:
        return bool((await sessions(emulator))[opened]["state"] == "ended")

    await eventually(is_ended, "the one session is ended")


async def becomes(frame: Frame, text: str, state: str) -> None:
    """Waits until an utterance that begins so is being heard, or was."""
    await eventually(lambda: frame.evaluate(_IS, [text, state]), f"{text} is {state}")


async def test_the_conversation_answers_what_is_typed_and_what_is_said(
    emulator: Running, tab: AvatarPage, tmp_path: Path
) -> None:
    port = free_port()
    started = serving(
        [sys.executable, EXAMPLES / "conversation"],
        tmp_path,
        port=port,
        ready="/",
        log=tmp_path / "conversation.log",
        PORT=str(port),
        BROKER_URL=f"http://127.0.0.1:{free_port()}",
        AVATAR_KS="a-ks",
        AVATAR_BASE_URL=f"{emulator.url}{MIRROR_PATH}",
        AVATAR_ID="ada",
        AVATAR_VOICE_ID="emulator-voice-en-1",
    )
    with started as conversation:
        await tab.page.add_init_script(_MICROPHONE)
        await tab.page.goto(conversation.url)
        async with one_session(emulator):
            await tab.page.get_by_role("textbox", name="You").fill("Hello!")
            await tab.button("Send").click()
            await tab.status_is("Live")
            await becomes(tab.page.main_frame, "Hello! Ask me what I can do.", "said")
            await tab.button("Talk").click()
            await tab.button("Send what I said").click()
            await becomes(
                tab.page.main_frame, "I say what a language model writes, while", "speaking"
            )
            await tab.button("End").click()
            await tab.status_is("Ended")
