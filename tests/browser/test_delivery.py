"""What a browser loads for the page."""

import re

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.support.avatar_page import AvatarPage
from tests.support.browsers import new_context
from tests.support.demo import Demo
from tests.support.embedded_avatar import EmbeddedAvatar, policy
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_FILES = 6
"""The page, its style, its script, the player's, the picker's and the icon."""

MAX_ELEMENT_BYTES = 30 * 1024
MAX_FRAME_SCRIPT_BYTES = 2 * 1024


async def test_the_bundled_page_is_a_handful_of_files(choice_demo: Demo, tab: AvatarPage) -> None:
    loaded: list[str] = []
    tab.page.on("request", lambda request: loaded.append(request.url))
    await tab.page.goto(choice_demo.url)
    await tab.start()
    await tab.speak("This is a bundle.")
    await expect(tab.page.locator(".caption:visible")).to_have_text("This is a bundle.")
    await tab.button("End").click()
    await tab.status_is("Ended")
    files = {url for url in loaded if "/static/" in url or url == f"{choice_demo.url}/"}
    assert len(files) <= MAX_FILES, files


async def test_the_bundled_page_finds_what_it_loads_later(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.goto(f"{choice_demo.url}/?lang=de")
    await expect(tab.button("Starten")).to_be_visible()
    await expect(tab.page.get_by_role("combobox", name="Stimme")).to_be_visible()


async def test_the_bundled_element_is_one_small_file_with_the_hash_that_is_told(
    choice_demo: Demo, browser: Browser, site: Site
) -> None:
    async with httpx.AsyncClient(base_url=choice_demo.url) as client:
        reference = (await client.get("/docs")).text
        [(path, integrity)] = re.findall(
            r"(/embed/\w+/avatar\.js)&#34; integrity=&#34;([^&]+)&#34;", reference
        )
        compressed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert int(compressed.headers["Content-Length"]) <= MAX_ELEMENT_BYTES
    loaded: list[str] = []
    context = await new_context(browser)
    avatar = EmbeddedAvatar(await context.new_page(), site, choice_demo)
    avatar.page.on("request", lambda request: loaded.append(request.url))
    site.policy = policy(choice_demo).replace("img-src", f"img-src {choice_demo.url}")
    tag = f'<script type="module" crossorigin integrity="{integrity}" src="{{}}"></script>'
    module = tag.format(choice_demo.url + path)
    await avatar.open(html=f'{module}<kaltura-avatar lang="ja"></kaltura-avatar>')
    await avatar.button("\u958b\u59cb").click()
    await avatar.becomes("live")
    await avatar.button("\u7d42\u4e86").click()
    await context.close()
    modules = {url.removeprefix(choice_demo.url) for url in loaded if url.endswith(".js")}
    release = path.removesuffix("/avatar.js")
    player = next(one for one in modules if one.endswith("/player/index.js"))
    later = {f"{release}/languages/ja.js", f"{release}/picker/picker.js"}
    assert modules == {"/avatar.js", path, *later, player}
    assert avatar.messages == []


async def test_the_bundled_frame_is_a_handful_of_files_and_its_script_a_small_one(
    choice_demo: Demo, tab: AvatarPage
) -> None:
    async with httpx.AsyncClient(base_url=choice_demo.url) as client:
        [module] = re.findall('"(.*)"', (await client.get("/avatar-frame.js")).text)
        compressed = await client.get(module, headers={"Accept-Encoding": "gzip"})
    assert int(compressed.headers["Content-Length"]) <= MAX_FRAME_SCRIPT_BYTES
    loaded: set[str] = set()
    tab.page.on("request", lambda request: loaded.add(request.url))
    await tab.page.goto(f"{choice_demo.url}/embed")
    await tab.button("Start").click()
    await tab.status_is("Live")
    await tab.button("End").click()
    await tab.status_is("Ended")
    files = {url for url in loaded if "/static/" in url or "/embed" in url}
    assert len(files) <= MAX_FILES + 1, files  # the element is a file of its own
