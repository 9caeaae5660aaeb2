"""An address that a browser opens and that answers with an error is a page."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from app.web.middleware.csp import DOCUMENT_POLICY
from tests.support.doubles import FakeKaltura
from tests.support.operators import TOKEN, signed_in
from tests.support.visitor_api import CREATE, Visit

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAVIGATION = {"Accept": HTML, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
PUBLIC = "https://avatar.example.com"
FORM: dict[str, Any] = {"data": {"text": "Hello"}}
LARGE: dict[str, Any] = {"content": b" " * 100_000, "headers": {"Content-Type": "application/json"}}
ERRORS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", "/nothing", 404, {}),
    ("GET", "/docs/", 404, {}),
    ("GET", "/problems/nothing", 404, {}),
    ("GET", "/static/nothing.css", 404, {}),
    ("GET", "/operator/nothing", 404, {}),
    ("GET", "/api/waiting-room/nothing", 404, {}),
    ("GET", "/api/avatar-sessions/nothing", 401, {}),
    ("GET", "/v1/avatar-session/create", 405, {}),
    ("GET", "/api/avatar-sessions/nothing/speak", 405, {}),
    ("POST", "/docs", 405, {}),
    ("POST", CREATE, 415, FORM),
    ("POST", CREATE, 413, LARGE),
    ("GET", "/operator/record?since=nothing", 422, {}),
    ("GET", "/operator/api/audit.csv", 401, {}),
]


def is_error_page(answer: httpx.Response, status: int) -> bool:
    return (
        answer.status_code == status
        and answer.headers["Content-Type"] == "text/html; charset=utf-8"
        and answer.headers["Content-Security-Policy"] == DOCUMENT_POLICY
        and answer.headers["Cache-Control"] == "no-store"
        and f"status {status}" in answer.text
        and answer.headers["X-Request-ID"] in answer.text
        and not re.search(r"<script|<style|<[^>]+\s(style|on\w+)=", answer.text)
    )


@pytest.mark.parametrize(("method", "target", "status", "content"), ERRORS)
async def test_a_browser_that_opens_an_address_gets_a_page_and_a_program_a_document(
    visit: Visit, method: str, target: str, status: int, content: dict[str, Any]
) -> None:
    visitor = await visit(operator_token=TOKEN)
    if "record" in target:
        await signed_in(visitor)
    given = content.get("headers", {})

    async def answered(**headers: str) -> httpx.Response:
        return await visitor.request(method, target, **content | {"headers": given | headers})

    page = await answered(**NAVIGATION)
    assert is_error_page(page, status)
    assert page.text.count('href="/"') == 2
    for headers in ({}, {"Accept": HTML, "Sec-Fetch-Mode": "cors"}, {"Accept": "*/*"}):
        document = await answered(**headers)
        assert document.headers["Content-Type"].endswith("json")
        assert {"Accept", "Sec-Fetch-Mode"} <= set(document.headers["Vary"].split(", "))


async def test_a_browser_that_tells_no_more_is_known_by_what_it_accepts(
    visitor: httpx.AsyncClient,
) -> None:
    for accept, is_page in [
        (HTML, True),
        ("TEXT/HTML;level=1", True),
        ("application/json, text/html", True),
        ("application/json;q=0.5, text/html", True),
        ("application/json, text/html;q=0.9", False),
        ("application/problem+json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
        ("text/event-stream", False),
        ("*/*", False),
        ("", False),
    ]:
        answer = await visitor.get("/nothing", headers={"Accept": accept})
        assert is_error_page(answer, 404) is is_page


@pytest.mark.parametrize(
    ("failure", "status"), [(RuntimeError("canary-of-a-bug"), 500), (asyncio.CancelledError(), 503)]
)
async def test_a_bug_and_a_broker_that_stops_are_pages_too(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, failure: BaseException, status: int
) -> None:
    kaltura.will("create", failure)
    answer = await visitor.post(CREATE, headers=NAVIGATION)
    assert is_error_page(answer, status)
    assert "canary" not in answer.text


async def test_the_page_of_a_problem_leads_to_what_it_means(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get(CREATE, headers=NAVIGATION)
    assert is_error_page(page, 403)
    assert "Refused: the call came from another site" in page.text
    [meaning] = re.findall(r'href="(/problems/[^"]+)"', page.text)
    assert (await visitor.get(meaning)).status_code == 200


async def test_under_a_wrong_name_the_page_has_its_styles_and_leads_to_the_right_one(
    visit: Visit,
) -> None:
    visitor = await visit(public_url=PUBLIC)
    wrong = {"Host": "other.example"}
    page = await visitor.get("/", headers=NAVIGATION | wrong)
    assert is_error_page(page, 400)
    assert page.text.count(f'href="{PUBLIC}/"') == 2
    for style in re.findall(r'href="(/static/[^"]+)"', page.text):
        assert (await visitor.get(style, headers=wrong)).status_code == 200
    assert (await visitor.get("/healthz-of-another", headers=wrong)).status_code == 400


async def test_what_was_sent_is_no_part_of_the_page(visitor: httpx.AsyncClient) -> None:
    page = await visitor.get("/<b>nothing</b>?text=<b>", headers=NAVIGATION)
    assert "<b>" not in page.text
