"""The browsers that tests start."""

import subprocess
from typing import Any

from playwright.async_api import Browser, BrowserContext

from tests.support.processes import ROOT


def program_of(browser: str) -> str:
    """Where a browser is, which is installed if need be."""
    ensure = [str(ROOT / "scripts/ensure-browser"), browser]
    found = subprocess.run(ensure, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


async def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A visitor's browser, for one who wants no motion: it costs half of what a start does."""
    return await browser.new_context(reduced_motion="reduce", **options)
