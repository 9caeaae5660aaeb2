"""Where pages of other sites load `<kaltura-avatar>` from, and what they may know."""

import base64
import hashlib
import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app.web.embed import routes
from app.web.embed.element_files import ElementRelease, release_of
from app.web.static_files import CHECKED, FOR_GOOD, PageFiles
from tests.support.operators import TOKEN, signed_in
from tests.support.visitor_api import Visit

DOCS = Path(__file__).parents[2] / "docs"

OTHER = "https://shop.example"
LEADS_TO = re.compile(r'export \* from "([^"]+)";\n')


@pytest.fixture
def bundled(tmp_path: Path) -> PageFiles:
    """Static files as image and package have them."""
    element = tmp_path / "bundle/element"
    (element / "languages").mkdir(parents=True)
    (element / "index.js").write_text("the element")
    (element / "languages/de.js").write_text("its German")
    return PageFiles(tmp_path)


@pytest.fixture
def release(bundled: PageFiles) -> ElementRelease:
    found = release_of(bundled)
    assert found
    return found


@pytest.fixture
async def client(bundled: PageFiles) -> AsyncIterator[httpx.AsyncClient]:
    """One who asks a broker that has these files."""
    app = FastAPI()
    app.include_router(routes.router)

    async def with_files(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {"assets": bundled}}, receive, send)

    transport = httpx.ASGITransport(app=with_files)
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
        yield client


def leads_to(answer: httpx.Response) -> str:
    found = LEADS_TO.fullmatch(answer.text)
    assert found, answer.text
    return found[1]


def is_for_every_origin(answer: httpx.Response) -> bool:
    headers = answer.headers
    return (
        headers.get("Access-Control-Allow-Origin") == "*"
        and headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    )


async def test_the_element_is_asked_for_each_time_and_leads_to_what_is_kept_for_good(
    client: httpx.AsyncClient, release: ElementRelease
) -> None:
    first = await client.get("/avatar.js")
    assert (first.headers["Cache-Control"], is_for_every_origin(first)) == (CHECKED, True)
    assert first.headers["Content-Type"].startswith("text/javascript")
    again = await client.get("/avatar.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert leads_to(first) == release.path
    kept = await client.get(release.path)
    assert (kept.text, kept.headers["Cache-Control"]) == ("the element", FOR_GOOD)
    assert is_for_every_origin(kept)


async def test_the_languages_of_a_release_are_beside_it(
    client: httpx.AsyncClient, release: ElementRelease
) -> None:
    answer = await client.get(f"/embed/{release.version}/languages/de.js")
    assert (answer.text, answer.headers["Cache-Control"]) == ("its German", FOR_GOOD)


async def test_the_address_of_another_release_has_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/embed/0123456789abcdef/avatar.js")).status_code == 404


def test_a_release_has_the_hash_of_its_bytes(bundled: PageFiles, release: ElementRelease) -> None:
    digest = hashlib.sha384((bundled.folder / "bundle/element/index.js").read_bytes()).digest()
    assert release.integrity == f"sha384-{base64.b64encode(digest).decode()}"


def test_a_release_changes_with_its_own_files_and_with_no_other(
    bundled: PageFiles, release: ElementRelease
) -> None:
    (bundled.folder / "console.js").write_text("another")
    assert release_of(bundled) == release
    (bundled.folder / "bundle/element/languages/de.js").write_text("better German")
    changed = release_of(bundled)
    assert changed
    assert changed.version != release.version


async def test_the_script_for_the_page_around_a_frame_leads_to_its_bundle(
    client: httpx.AsyncClient, bundled: PageFiles
) -> None:
    (bundled.folder / "bundle/embed").mkdir()
    (bundled.folder / "bundle/embed/avatar-frame.js").write_text("the frame")
    answer = await client.get("/avatar-frame.js")
    assert leads_to(answer).endswith("/bundle/embed/avatar-frame.js")


async def test_without_a_bundle_every_address_leads_to_the_modules(
    visitor: httpx.AsyncClient,
) -> None:
    for path in ("/avatar.js", "/embed/any/avatar.js", "/avatar-frame.js"):
        answer = await visitor.get(path)
        assert answer.headers["Cache-Control"] == CHECKED
        module = await visitor.get(leads_to(answer))
        assert (module.status_code, is_for_every_origin(module)) == (200, True)


@pytest.mark.parametrize(
    "path", ["/", "/embed", "/docs", "/api/avatar-sessions", "/static/page/main.js"]
)
async def test_nothing_but_the_files_of_element_and_frame_is_for_every_origin(
    visitor: httpx.AsyncClient, path: str
) -> None:
    answer = await visitor.get(path, headers={"Origin": OTHER})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("mode", ["anonymous", "jwt"])
async def test_the_frames_page_sets_no_cookie_and_knows_who_may_talk_to_it(
    visit: Visit, mode: str
) -> None:
    login = {
        "auth_jwks_url": "https://login.example/keys",
        "auth_issuer": "https://login.example",
        "auth_audience": "avatar",
    }
    settings = {"auth_mode": mode, "frame_ancestors": f"{OTHER}, https://*.example.org"}
    visitor = await visit(**settings, **(login if mode == "jwt" else {}))
    answer = await visitor.get("/embed")
    assert "Set-Cookie" not in answer.headers
    (config,) = re.findall(r'id="config"[^>]*>(.*?)</script>', answer.text)
    ancestors = [OTHER, "https://*.example.org"]
    assert json.loads(config) == {"ancestors": ancestors, "asksLogin": mode == "jwt"}


async def test_a_page_is_told_what_it_may_show(visit: Visit) -> None:
    visitor = await visit(
        max_text_length=77,
        visitor_controls=("speak", "end"),
        avatar_sdk_url="https://sdk.example/sdk.js",
        avatar_sdk_integrity="sha384-" + "a" * 64,
        allowed_origins=OTHER,
    )
    answer = await visitor.get("/api/config", headers={"Origin": OTHER})
    assert answer.headers["Access-Control-Allow-Origin"] == OTHER
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    config = answer.json()
    assert (await visitor.get(config.pop("builtinPlayerUrl"))).is_success
    assert config == {
        "maxTextLength": 77,
        "maxAudioSeconds": 600.0,
        "controls": ["speak", "end"],
        "emulator": False,
        "tokenMode": "sealed",
        "player": "sdk",
        "sdkUrl": "https://sdk.example/sdk.js",
        "sdkIntegrity": "sha384-" + "a" * 64,
    }


@pytest.mark.parametrize("page", ["/docs", "/operator/embed"])
async def test_the_lines_to_copy_are_those_of_the_documents(visit: Visit, page: str) -> None:
    operator = await signed_in(
        await visit(public_url="https://avatar.example.com", operator_token=TOKEN)
    )
    shown = html.unescape((await operator.get(page)).text)
    documents = [(DOCS / name).read_text(encoding="utf-8") for name in ("element.md", "embed.md")]
    [element, *_], [plain, scripted] = [
        re.findall(r"```html\n(.*?)\n```", document, re.DOTALL) for document in documents
    ]
    for lines in (element, plain, scripted.replace(' theme="dark"', "")):
        assert f"<code>{lines}</code>" in shown
