"""The reference in a browser: code that is copied, and links that open what they name."""

import pytest
from playwright.async_api import Locator, expect

from tests.support.accessibility import faint, overflows
from tests.support.avatar_page import AvatarPage
from tests.support.demo import TOKEN, Demo, sign_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


def call(tab: AvatarPage, name: str) -> Locator:
    return tab.page.locator(f"details#{name}")


@pytest.mark.parametrize("path", ["/docs", "/operator/embed"])
async def test_code_is_copied_by_the_keyboard_alone_and_the_page_says_so(
    tab: AvatarPage, operated: Demo, path: str
) -> None:
    tab.tolerated = ("401",)
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.page.goto(operated.url + path)
    if path.startswith("/operator"):
        await sign_in(tab.page, TOKEN)
    await tab.button("Copy").first.press("Enter")
    await expect(tab.page.locator(".copied")).to_have_text("Copied")
    await expect(tab.page.locator(".copied")).to_have_role("status")
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert copied == await tab.page.locator("figure.code code").first.inner_text()
    assert "<kaltura-avatar></kaltura-avatar>" in copied


async def test_code_that_may_not_be_copied_is_selected(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {})")
    await tab.page.goto(f"{demo.url}/docs")
    await tab.button("Copy").first.click()
    await expect(tab.page.locator(".copied")).to_have_text("Selected, to be copied")
    selected = await tab.page.evaluate("String(getSelection())")
    assert selected == await tab.page.locator("figure.code code").first.inner_text()


async def test_a_call_that_a_link_names_is_open_and_in_sight(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(f"{demo.url}/docs#speak")
    await expect(call(tab, "speak")).to_have_attribute("open", "")
    contents = tab.page.get_by_role("navigation", name="Contents")
    for _ in range(2):  # the second time it is the page's address already
        await contents.locator("a[href='#end']").click()
        await expect(call(tab, "end")).to_have_attribute("open", "")
        title = call(tab, "end").locator("h3")
        assert await title.evaluate(
            "each => { const { x, y } = each.getBoundingClientRect();"
            " return each.contains(document.elementFromPoint(x + 1, y + 1)); }"
        )
        await call(tab, "end").locator("summary").click()
    await tab.page.go_back()
    await expect(call(tab, "speak")).to_be_in_viewport()


async def test_a_language_is_chosen_once_for_all_calls(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.goto(f"{demo.url}/docs#speak")
    await call(tab, "end").locator("summary").click()
    for language, code in (("Python", "httpx.post("), ("curl", "curl "), ("JavaScript", "fetch(")):
        await tab.page.get_by_role("radio", name=language).check()
        for name in ("speak", "end"):
            shown = call(tab, name).locator("figure.code:visible")
            await expect(shown).to_have_count(1)
            await expect(shown).to_contain_text(code)


async def test_a_call_and_the_contents_can_be_read_on_a_phone(tab: AvatarPage, demo: Demo) -> None:
    await tab.page.set_viewport_size({"width": 320, "height": 700})
    await tab.page.goto(f"{demo.url}/docs#speak")
    await tab.page.get_by_text("Contents").click()
    assert not await overflows(tab)
    assert await faint(tab) == []
