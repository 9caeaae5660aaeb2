"""What a browser is told to allow on the broker's pages, and nothing else."""

import base64
import hashlib
import json
import re
from typing import Any

import httpx
import pytest

from tests.support.visitor_api import Visit

SDK = "https://sdk.example/models-sdk-js/index.esm.js"
HASH = "sha384-" + base64.b64encode(hashlib.sha384(b"the module").digest()).decode()
PAGES = ("/", "/approaches")
LIVE = (*PAGES, "/embed")


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return {name: values for name, *values in (directive.split() for directive in directives)}


def import_map(answer: httpx.Response) -> Any:
    (found,) = re.findall(r'<script type="importmap"[^>]*>(.*?)</script>', answer.text, re.DOTALL)
    return json.loads(found)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_load_and_call_what_it_needs_and_no_more(visit: Visit, path: str) -> None:
    answer = await (await visit(avatar_sdk_url=SDK)).get(path)
    told = policy(answer)
    (nonce,) = {value for value in told["script-src"] if value.startswith("'nonce-")}
    assert told == {
        "default-src": ["'none'"],
        "script-src": ["'self'", nonce, "https://sdk.example"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:", "https://*.kaltura.ai"],
        "connect-src": ["'self'", "https://*.kaltura.ai"],
        "form-action": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }


async def test_the_element_in_a_frame_may_do_less_than_the_page(visit: Visit) -> None:
    visitor = await visit(avatar_sdk_url=SDK)
    page, frame = [policy(await visitor.get(path)) for path in ("/", "/embed")]
    assert "https://sdk.example" not in frame.pop("script-src")
    assert frame == {
        **{name: values for name, values in page.items() if name != "script-src"},
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


@pytest.mark.parametrize("path", LIVE)
async def test_every_script_has_the_nonce_of_this_answer_and_no_style_stands_in_the_page(
    visitor: httpx.AsyncClient, path: str
) -> None:
    nonces = set()
    for _ in range(2):
        answer = await visitor.get(path)
        (nonce,) = re.findall(r"'nonce-([^']{20,})'", answer.headers["Content-Security-Policy"])
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in script for script in scripts)
        assert not re.search(r"<[^>]+ (style|on\w+)=", answer.text)
        nonces.add(nonce)
    assert len(nonces) == 2


async def test_in_direct_mode_the_page_may_call_kaltura_too(visit: Visit) -> None:
    visitor = await visit(avatar_token_mode="direct", avatar_base_url="https://api.kaltura.test/v1")
    assert "https://api.kaltura.test" in policy(await visitor.get("/"))["connect-src"]


async def test_the_page_may_be_framed_by_those_named_and_by_nobody_else(visit: Visit) -> None:
    visitor = await visit(frame_ancestors="https://www.example.com, https://shop.example.com")
    allowed = ["https://www.example.com", "https://shop.example.com"]
    for path in LIVE:
        assert policy(await visitor.get(path))["frame-ancestors"] == allowed
    for path in ("/docs", "/problems/session-ended", "/nothing", "/healthz"):
        assert policy(await visitor.get(path))["frame-ancestors"] == ["'none'"]


async def test_the_sdk_is_run_only_with_its_hash_when_there_is_one(visit: Visit) -> None:
    visitor = await visit(avatar_sdk_url=SDK, avatar_sdk_integrity=HASH)
    told = import_map(await visitor.get("/"))
    assert told["imports"] == {"@unisphere/models-sdk-js": SDK}
    assert told["integrity"] == {SDK: HASH}


async def test_without_a_hash_none_is_asked_for(visitor: httpx.AsyncClient) -> None:
    assert "integrity" not in import_map(await visitor.get("/"))


@pytest.mark.parametrize("https", [True, False])
async def test_https_is_insisted_on_where_there_is_any(visit: Visit, *, https: bool) -> None:
    visitor = await visit(public_url="https://avatar.example.com" if https else None)
    assert ("Strict-Transport-Security" in (await visitor.get("/")).headers) is https


async def test_no_other_site_may_read_or_hold_what_is_here(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/")
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]


async def test_that_an_ai_speaks_is_said_before_it_does_to_those_too_who_hear_the_page(
    visitor: httpx.AsyncClient,
) -> None:
    page = (await visitor.get("/")).text
    (said,) = re.findall(r'<section [^>]*aria-live="polite">(.*?)</section>', page, re.DOTALL)
    assert "an AI makes the face and the voice" in said
    for path in PAGES:
        assert "AI-generated face and voice" in (await visitor.get(path)).text
