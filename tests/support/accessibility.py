"""What is wrong with a page for some of its visitors."""

from pathlib import Path
from typing import Any, Literal

from tests.support.avatar_page import AvatarPage

CONTRAST = (Path(__file__).parents[1] / "browser/contrast.js").read_text(encoding="utf-8")


AA = 4.5


async def overflows(tab: AvatarPage) -> bool:
    """Whether the page scrolls sideways."""
    return bool(await tab.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


async def faint(tab: AvatarPage) -> list[str]:
    """The texts that are hard to read by day or by night, with their contrast."""
    return [*await _faint_in(tab, "light"), *await _faint_in(tab, "dark")]


async def _faint_in(tab: AvatarPage, scheme: Literal["light", "dark"]) -> list[str]:
    # Without motion a colour is at once what it will be.
    await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found: list[dict[str, Any]] = await tab.page.evaluate(CONTRAST)
    assert len(found) > AA
    return [f"{scheme}: {one['ratio']:.2f} {one['text']}" for one in found if one["ratio"] < AA]
