"""A broker before an emulator, as browsers meet it."""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, Page

from app.kaltura.contract import MIRROR_PATH
from tests.support.processes import Running, running

SDK_URL: Final = "https://sdk.example/models-sdk-js/index.esm.js"
STAND_IN: Final = Path(__file__).parents[1] / "browser/stand_in_sdk.js"
WITH_STAND_IN: Final = {
    "AVATAR_SDK_URL": SDK_URL,
    "AVATAR_SDK_INTEGRITY": "sha384-"
    + base64.b64encode(hashlib.sha384(STAND_IN.read_bytes()).digest()).decode(),
}
"""The settings of a broker whose pages take the stand-in for the SDK, and no other file."""

KS: Final = "a-kaltura-session-that-no-page-may-see"
SECRET_KEY: Final = "signs-the-tokens-of-this-test-and-of-no-other"
TOKEN: Final = "the-operator-token-of-this-demo"
OPERATED: Final = {"OPERATOR_TOKEN": TOKEN, "UPSTREAM_TIMEOUT_SECONDS": "30"}

Launch = Callable[[], Awaitable[Browser]]
"""Starts a browser; whoever does also closes it."""


RunDemo = Callable[..., AbstractContextManager["Demo"]]
"""Runs a broker in a folder, with these settings."""


@dataclass(frozen=True)
class Demo:
    """A running broker, and the emulator behind it."""

    url: str
    emulator_url: str

    async def session(self, session_id: str) -> dict[str, Any]:
        """What the emulator knows of a session."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.emulator_url}/emulator/sessions")
        sessions: list[dict[str, Any]] = answer.raise_for_status().json()["sessions"]
        return next(session for session in sessions if session["sessionId"] == session_id)

    async def session_is(self, session_id: str, state: str) -> bool:
        """Whether the emulator says so."""
        return bool((await self.session(session_id))["state"] == state)


@contextmanager
def running_demo(emulator: Running, directory: Path, **settings: str) -> Iterator[Demo]:
    """A broker before an emulator, with room for every test unless the settings say otherwise."""
    settings = {
        "AVATAR_KS": KS,
        "SECRET_KEY": SECRET_KEY,
        "AVATAR_BASE_URL": f"{emulator.url}{MIRROR_PATH}",
        "AVATAR_ID": "ada",
        "AVATAR_VOICE_ID": "emulator-voice-en-1",
        "MAX_CONCURRENT_SESSIONS": "50",
        **settings,
    }
    with running("serve", directory, ready="/healthz", **settings) as broker:
        yield Demo(broker.url, emulator.url)


async def sign_in(page: Page, token: str) -> None:
    """Gets an operator into the console."""
    await page.get_by_label("Operator token").fill(token)
    await page.get_by_label("Operator token").press("Enter")
