"""What is wrong with a page for some of its visitors."""

from pathlib import Path
from typing import Any

from tests.support.avatar_page import AvatarPage

CONTRAST = (Path(__file__).parents[1] / "browser/contrast.js").read_text(encoding="utf-8")


AA = 4.5


async def _overflows(tab: AvatarPage) -> bool:
    return bool(await tab.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


async def _faint(tab: AvatarPage) -> list[str]:
    found: list[dict[str, Any]] = await tab.page.evaluate(CONTRAST)
    assert len(found) > AA
    return [f"{item['ratio']:.2f} {item['text']}" for item in found if item["ratio"] < AA]
