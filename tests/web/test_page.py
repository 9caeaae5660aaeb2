"""What the avatar's page says before its scripts have run."""

import re
from typing import Any

import pytest

from tests.support.visitor_api import Visit


async def test_the_page_has_the_controls_that_a_visitor_may_use(visit: Visit) -> None:
    page = (await (await visit(visitor_controls=("speak", "end"))).get("/")).text
    (controls,) = re.findall(r'<kaltura-avatar [^>]*controls="([^"]*)"', page)
    assert controls == "start composer end captions transcript picker fullscreen"
    assert re.findall(r"<button [^>]*>(Start|Stop|End)<", page) == ["Start", "End"]


async def test_the_page_is_the_operators(visit: Visit) -> None:
    visitor = await visit(
        page_title="Ask <Ada>",
        page_logo="https://cdn.example/ada.svg",
        page_accent="#7a2048",
        page_terms_url="https://www.example.com/terms",
        page_phrases="Hello, you.|What is new?",
    )
    answer = await visitor.get("/")
    page, policy = answer.text, answer.headers["Content-Security-Policy"]
    assert page.count("Ask &lt;Ada&gt;") == 2
    assert 'src="https://cdn.example/ada.svg"' in page
    assert "img-src 'self' data: https://cdn.example;" in policy
    (nonce,) = re.findall(r'<style nonce="(.+?)">:root { --page-accent: #7a2048; }', page)
    assert f"style-src 'self' 'nonce-{nonce}';" in policy
    assert '<a href="https://www.example.com/terms"' in page
    assert '"phrases": ["Hello, you.", "What is new?"]' in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"audit_text": "hash"}, False),
        ({"audit_text": "none"}, False),
        ({"visitor_controls": ("end",)}, False),
    ],
)
async def test_a_visitor_is_told_that_words_are_recorded_where_they_are(
    visit: Visit,
    changes: dict[str, Any],
    told: bool,  # noqa: FBT001 - a column of the table
) -> None:
    page = (await (await visit(**changes)).get("/")).text
    assert ("What you have it say is recorded." in page) is told


@pytest.mark.parametrize(
    ("environment", "asked_for", "shown"),
    [
        ("development", None, True),
        ("production", None, False),
        ("production", True, True),
        ("development", False, False),
    ],
)
async def test_the_developers_panel_is_not_for_production_unless_asked_for(
    visit: Visit,
    environment: str,
    asked_for: bool | None,  # noqa: FBT001 - a column
    shown: bool,  # noqa: FBT001 - a column
) -> None:
    production = {"secret_key": "a-key-of-more-than-32-characters-0123456789"}
    visitor = await visit(
        environment=environment,
        page_developer=asked_for,
        public_url="https://avatar.example.com",
        **production,
    )
    assert ('id="inspector"' in (await visitor.get("/")).text) is shown
