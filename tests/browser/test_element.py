"""`<kaltura-avatar>` on a site of another origin, whose policy names the broker only."""

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from tests.support.avatar_page import eventually
from tests.support.browsers import new_context
from tests.support.demo import SDK_URL, STAND_IN, Demo
from tests.support.embedded_avatar import EmbeddedAvatar, policy
from tests.support.processes import free_port
from tests.support.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO: Final = "Hello."
_LISTEN: Final = """() => {
  window.told = [];
  for (const name of ["state", "opened", "live", "utterance", "speaking", "ended"])
    document.addEventListener(`avatar-${name}`, ({ detail }) =>
      window.told.push(name === "state" ? detail.state : name));
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def avatar(browser: Browser, site: Site, demo: Demo) -> AsyncIterator[EmbeddedAvatar]:
    """A visitor of the site."""
    context = await new_context(browser, viewport={"width": 1100, "height": 800})
    site.policy = ""
    yield EmbeddedAvatar(await context.new_page(), site, demo)
    await context.close()


async def sessions_of(demo: Demo) -> set[str]:
    """The ids of all sessions that the emulator knows."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{demo.emulator_url}/emulator/sessions")
    return {session["sessionId"] for session in answer.raise_for_status().json()["sessions"]}


async def test_two_lines_of_html_show_an_avatar_that_speaks(avatar: EmbeddedAvatar) -> None:
    before = await sessions_of(avatar.broker)
    await avatar.open()
    await avatar.page.evaluate(_LISTEN)
    session = await avatar.start()
    size = "avatar.shadowRoot.querySelector('video').videoWidth"
    assert await avatar.get(size) > 0
    await avatar.speak(HELLO)
    await avatar.has_said(HELLO)
    await avatar.end()
    assert await sessions_of(avatar.broker) - before == {session}
    await eventually(lambda: avatar.broker.session_is(session, "ended"), "the session ends")
    assert (avatar.messages, await avatar.violations()) == ([], [])
    told = await avatar.page.evaluate("window.told")
    in_order = ["connecting", "opened", "live", "utterance", "speaking", "ended"]
    assert sorted(in_order, key=told.index) == in_order


async def test_an_element_that_is_moved_or_mounted_twice_keeps_its_one_session(
    avatar: EmbeddedAvatar,
) -> None:
    before = await sessions_of(avatar.broker)
    await avatar.open(html="<aside></aside>")
    # As React's strict mode does: connected, disconnected and connected in one task.
    await avatar.page.evaluate(
        """() => {
          const made = document.createElement("kaltura-avatar");
          const main = document.querySelector("main");
          main.append(made);
          made.remove();
          main.append(made);
        }"""
    )
    session = await avatar.start()
    await avatar.page.evaluate(
        "document.querySelector('aside').append(document.querySelector('kaltura-avatar'))"
    )
    await eventually(
        lambda: avatar.get("!avatar.shadowRoot.querySelector('video').paused"), "it plays on"
    )
    await avatar.speak(HELLO)
    await avatar.has_said(HELLO)
    assert await sessions_of(avatar.broker) - before == {session}
    await avatar.end()
    assert avatar.messages == []


async def test_an_element_that_is_taken_away_leaves_its_session_which_ends(
    avatar: EmbeddedAvatar,
) -> None:
    await avatar.open()
    session = await avatar.start()
    await avatar.get("window.playing = avatar.shadowRoot.querySelector('video').srcObject, 0")
    await avatar.page.evaluate("document.querySelector('kaltura-avatar').remove()")
    is_silent = "window.playing.getTracks().every(({ readyState }) => readyState === 'ended')"
    await eventually(lambda: avatar.page.evaluate(is_silent), "nothing plays on")
    await eventually(lambda: avatar.broker.session_is(session, "ended"), "the session ends")


async def test_what_is_defined_twice_stays_what_it_was_first(avatar: EmbeddedAvatar) -> None:
    await avatar.open()
    again = f"import('{avatar.broker.url}/avatar.js?again')"
    first = "customElements.get('kaltura-avatar')"
    assert await avatar.page.evaluate(f"{again}.then((module) => module.KalturaAvatar === {first})")
    element = f"{avatar.broker.url}/static/element/index.js"
    assert await avatar.page.evaluate(
        f"import('{element}').then((module) => module.KalturaAvatar !== {first})"
    )
    assert avatar.messages == []


async def test_a_session_goes_on_by_itself_after_a_reload_where_the_page_wants_that(
    avatar: EmbeddedAvatar,
) -> None:
    await avatar.open("autoresume")
    session = await avatar.start()
    await avatar.page.reload()
    await avatar.becomes("live")
    assert await avatar.get("avatar.sessionId") == session
    await avatar.end()


async def test_an_unknown_broker_is_told_in_the_visitors_language_and_another_one_works(
    avatar: EmbeddedAvatar,
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    avatar.site.policy = policy(avatar.broker, nobody)
    await avatar.open(f'lang="de" broker="{nobody}"')
    await avatar.button("Starten").click()
    await expect(avatar.status).to_have_text("Keine Verbindung")
    await expect(avatar.page.get_by_role("alert")).to_contain_text("Prüfen Sie Ihre Verbindung")
    assert await avatar.get("[avatar.state, avatar.problem.name]") == ["problem", "unreachable"]
    await avatar.get(f"avatar.broker = '{avatar.broker.url}'")
    assert await avatar.get("avatar.start()") == "live"
    await avatar.get(f"avatar.broker = '{nobody}'")
    assert await avatar.get("avatar.state") == "live"
    await avatar.button("Beenden").click()
    await avatar.button("Starten").click()
    await expect(avatar.status).to_have_text("Keine Verbindung")


async def test_a_login_is_asked_for_a_token_by_a_start_alone_and_may_fail(
    avatar: EmbeddedAvatar,
) -> None:
    await avatar.open('lang="fr"')
    await avatar.page.evaluate(
        """() => {
          window.asked = [];
          document.querySelector("kaltura-avatar").getAuthToken = async ({ reason }) => {
            window.asked.push(reason);
            throw new Error("signed out");
          };
        }"""
    )
    assert await avatar.page.evaluate("window.asked") == []
    await avatar.button("Démarrer").click()
    await expect(avatar.status).to_have_text("Vous n’êtes pas connecté à votre compte")
    assert await avatar.page.evaluate("window.asked") == ["create"]


async def test_a_page_has_its_own_start_forbids_what_it_likes_and_says_texts_as_they_are_written(
    avatar: EmbeddedAvatar,
) -> None:
    own = '<button slot="start">Talk to us</button><p slot="terms">Our terms</p>'
    await avatar.open(html=f"<kaltura-avatar>{own}</kaltura-avatar>")
    await expect(avatar.page.get_by_text("Our terms")).to_be_visible()
    await avatar.page.evaluate(
        """() => {
          const avatar = document.querySelector("kaltura-avatar");
          const forbid = (event) => event.preventDefault();
          avatar.addEventListener("avatar-beforestart", forbid, { once: true });
          avatar.addEventListener("avatar-beforespeak", (event) => {
            if (event.detail.text === "Not this.") event.preventDefault();
          });
        }"""
    )
    await avatar.button("Talk to us").click()
    assert await avatar.get("avatar.state") == "ready"
    await avatar.button("Talk to us").click()
    await avatar.becomes("live")
    assert await avatar.get("avatar.speak('Not this.')") is None
    receipt = await avatar.get("avatar.speak('This.', { turnId: 'mine' })")
    assert receipt["turnId"] == "mine"
    parts = "(async function* () { yield 'One sen'; yield 'tence. And ano'; yield 'ther.'; })()"
    await avatar.get(f"avatar.speak({parts})")
    texts = [one["text"] for one in await avatar.get("avatar.utterances")]
    assert texts == ["This.", "One sentence.", "And another."]
    await avatar.end()


async def test_a_page_chooses_the_controls(avatar: EmbeddedAvatar) -> None:
    asked: list[str] = []
    avatar.page.on("request", lambda request: asked.append(request.url))
    await avatar.open('controls="start"')
    names = await avatar.page.get_by_role("button").all_text_contents()
    assert names == ["Start"]
    await expect(avatar.page.get_by_role("textbox")).to_have_count(0)
    await avatar.get("avatar.controls = 'start end composer'")
    assert await avatar.page.get_by_role("button").all_text_contents() == ["Start", "End", "Speak"]
    assert not [url for url in asked if url.endswith("/catalog")], "nothing is to be chosen"


async def test_an_avatar_that_a_program_starts_takes_no_focus_and_style_sheets_know_its_state(
    avatar: EmbeddedAvatar,
) -> None:
    """What a colour says is seen in the visitor's own colours too."""
    lamp = "getComputedStyle(avatar.shadowRoot.querySelector('.lamp')).backgroundColor"
    await avatar.page.emulate_media(forced_colors="active")
    await avatar.open(html='<input aria-label="Search"><kaltura-avatar></kaltura-avatar>')
    assert await avatar.get("avatar.matches(':state(ready)')")
    ready = await avatar.get(lamp)
    search = avatar.page.get_by_label("Search")
    await search.focus()
    assert await avatar.get("avatar.start()") == "live"
    await expect(search).to_be_focused()
    assert await avatar.get("avatar.matches(':state(live):not(:state(ready))')")

    async def has_changed() -> bool:
        return bool(await avatar.get(lamp) != ready)

    await eventually(has_changed, "the lamp has another colour")
    await avatar.get("avatar.end()")
    await expect(search).to_be_focused()
    assert await avatar.get("avatar.matches(':state(ended)')")


async def test_the_sdk_gets_an_element_of_the_page_and_runs_only_with_the_hash_that_was_set(
    avatar: EmbeddedAvatar, sdk_demo: Demo
) -> None:
    avatar.broker = sdk_demo
    changes = "// changed"

    async def serve(route: Route) -> None:
        body = STAND_IN.read_text(encoding="utf-8") + changes
        headers = {"Access-Control-Allow-Origin": "*"}
        await route.fulfill(body=body, headers=headers, content_type="text/javascript")

    await avatar.page.route(SDK_URL, serve)
    avatar.site.policy = policy(avatar.broker, "https://sdk.example")
    await avatar.open('player="sdk"')
    assert await avatar.get("avatar.preload()") == "builtin"
    assert await avatar.get("'undocumented' in window") is False

    changes = ""
    await avatar.page.reload()
    assert await avatar.get("avatar.preload()") == "sdk"
    await avatar.start()
    of_the_page = "document.querySelector(`#${avatar.querySelector('[slot=media]').id} video`)"
    assert await avatar.get(f"{of_the_page}.videoWidth") > 0
    assert await avatar.get("'undocumented' in window") is True
    await avatar.end()
    assert await avatar.violations() == []
