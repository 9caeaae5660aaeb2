"""`<kaltura-avatar>` on a site of another origin, whose policy names the broker and little else."""

from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Locator, Page, expect

from tests.support.avatar_page import PATIENCE_MS, eventually
from tests.support.demo import Demo
from tests.support.site import Site

_VIOLATIONS: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


def policy(broker: Demo, *others: str) -> str:
    """What a site's policy needs for an avatar: the broker, and where its picture comes from."""
    return (
        "default-src 'none'; img-src data:; "
        "require-trusted-types-for 'script'; trusted-types 'none'; "
        f"script-src {' '.join((broker.url, *others))}; "
        f"connect-src {' '.join((broker.url, broker.emulator_url, *others))}"
    )


@dataclass
class EmbeddedAvatar:
    """`<kaltura-avatar>` on a page of a site; `messages` holds all that the console got."""

    page: Page
    site: Site
    broker: Demo
    messages: list[str] = field(default_factory=list)

    async def open(self, attributes: str = "", *, html: str = "", script: str = "") -> None:
        """Opens a page that is two lines of HTML, or other ones."""
        source = script or f"{self.broker.url}/avatar.js"
        self.site.policy = self.site.policy or policy(self.broker)
        self.site.pages["/"] = (
            '<!doctype html><html lang="en"><title>A shop</title><link rel="icon" href="data:,">'
            f'<main><h1>A shop</h1><script type="module" src="{source}"></script>'
            f"{html or f'<kaltura-avatar {attributes}></kaltura-avatar>'}</main>"
        )
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(f"thrown: {error}"))
        await self.page.add_init_script(_VIOLATIONS)
        await self.page.goto(self.site.url)
        await self.page.evaluate("customElements.whenDefined('kaltura-avatar').then(() => {})")

    def button(self, name: str) -> Locator:
        """The button of this name."""
        return self.page.get_by_role("button", name=name, exact=True)

    @property
    def status(self) -> Locator:
        """The line that says how things are."""
        return self.page.get_by_role("status")

    async def get(self, expression: str) -> Any:
        """What an expression about the element, `avatar`, gives."""
        return await self.page.evaluate(
            f"(() => {{ const avatar = document.querySelector('kaltura-avatar'); "
            f"return {expression}; }})()"
        )

    async def becomes(self, *states: str) -> None:
        """Waits for one of these states."""

        async def is_there() -> bool:
            return await self.get("avatar.state") in states

        await eventually(is_there, f"the element is {' or '.join(states)}")

    async def start(self) -> str:
        """Clicks Start, waits until it is live, and returns the session's id."""
        await self.button("Start").click()
        await self.becomes("live", "speaking")
        return str(await self.get("avatar.sessionId"))

    async def speak(self, text: str) -> None:
        """Types a text and clicks Speak."""
        await self.page.get_by_role("textbox").fill(text)
        await self.button("Speak").click()

    async def has_said(self, text: str) -> None:
        """Waits until a text was heard to its end."""
        said = f"avatar.utterances.some((one) => one.text === {text!r} && one.state === 'said')"

        async def is_said() -> bool:
            return bool(await self.get(said))

        await eventually(is_said, f"{text} is said")

    async def end(self) -> None:
        """Clicks End."""
        await self.button("End").click()
        await expect(self.status).to_have_text("Ended")

    async def violations(self) -> list[str]:
        """What the page's policy has forbidden."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found
