"""HEAD is GET without a body, wherever GET only reads."""

import httpx

from tests.support.doubles import FakeKaltura
from tests.support.visitor_api import CREATE, Visit

TOKEN = "an-operators-token-for-tests"
AS_OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
PAGES = (
    *("/", "/approaches", "/docs", "/problems/session-ended", "/openapi.json"),
    *("/healthz", "/servez", "/readyz", "/static/style.css", "/operator", "/api/avatar-sessions"),
)
OPERATORS = ("/metrics", "/operator/api/sessions", "/operator/api/audit", "/operator/api/usage")


async def test_a_head_is_what_get_answers_without_its_body(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    for path in [*PAGES, *OPERATORS, "/problems/none", "/api/avatar-sessions/x"]:
        headers = AS_OPERATOR if path in OPERATORS else {}
        got = await visitor.get(path, headers=headers)
        head = await visitor.head(path, headers=headers)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if path != "/metrics":  # its figures have moved on
            assert head.headers.get("Content-Length") == got.headers.get("Content-Length")


async def test_a_head_opens_no_session_and_follows_nothing(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    for path in (CREATE, "/api/avatar-sessions/x/events", "/api/waiting-room/x"):
        assert (await visitor.head(path)).status_code == 405
    assert kaltura.calls == []


async def test_what_only_changes_something_has_no_head(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.head("/api/avatar-sessions/x/end")).status_code == 405


async def test_the_document_of_the_api_does_not_name_it(visitor: httpx.AsyncClient) -> None:
    paths = (await visitor.get("/openapi.json")).json()["paths"]
    assert {method for operations in paths.values() for method in operations} == {"get", "post"}
