"""The page that `docs/integrating.md` shows, as it stands there, on a site of its own."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT = Path(__file__).parents[2] / "docs/integrating.md"
HURRY = "setTimeout = ((wait) => (then, ms) => wait(then, ms / 20))(setTimeout);"
"""Who waits in line asks more often than every five seconds."""


def page_of_the_document(broker: str) -> str:
    """The document's example for a broker elsewhere, with an import map in place of a bundler."""
    found = re.search(r"```html\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert 'BROKER = "";' in found[1]
    example = found[1].replace('BROKER = "";', f'BROKER = "{broker}";')
    player = f'{{"imports": {{"@unisphere/models-sdk-js": "{broker}/static/player/index.js"}}}}'
    return f'<!doctype html><script type="importmap">{player}</script>{example}'


async def test_the_page_of_the_document_waits_in_line_and_then_speaks(
    small_demo: Demo, site: Site, tab: AvatarPage
) -> None:
    await tab.page.add_init_script(HURRY)
    site.policy, site.pages["/"] = "", page_of_the_document(small_demo.url)
    async with httpx.AsyncClient(base_url=f"{small_demo.url}/api") as other:
        first = (await other.post("/create-avatar-session")).raise_for_status().json()
        await tab.page.goto(site.url)
        async with tab.page.expect_response(lambda answer: answer.status == 201) as opened:
            await tab.button("Start").click()
            await tab.status_is("You are number 1 in line.")
            await _end(other, first)
        await tab.status_is("Live")
        await eventually(lambda: has_spoken(small_demo, tab.session_ids[-1]), "a text is said")
        # The page of the document never ends it, and the broker has room for one.
        await _end(other, await (await opened.value).json())


async def _end(broker: httpx.AsyncClient, session: dict[str, str]) -> None:
    token = {"Authorization": f"Bearer {session['token']}"}
    ended = await broker.post(f"/avatar-sessions/{session['sessionId']}/end", headers=token)
    assert ended.is_success


async def has_spoken(demo: Demo, session_id: str) -> bool:
    session = await demo.session(session_id)
    return "say-text" in {call["operation"] for call in session["calls"]}
