"""The reference: OpenAPI made readable, and curl lines that work."""

import html
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.main import create_app
from app.problems import PROBLEMS
from app.web.docs.openapi import problems
from app.web.docs.reference import Endpoint, Field, reference
from tests.support.curl import as_curl_would
from tests.support.doubles import settings
from tests.support.visitor_api import Visit

ORIGIN = "http://broker.test"


def the_only_endpoint(
    *,
    path: str = "/api/things",
    method: str = "post",
    sent: Mapping[str, Any] | None = None,
    answered: Mapping[str, Any] | None = None,
    schemas: Mapping[str, Any] | None = None,
    **more: Any,
) -> Endpoint:
    """The endpoint of a document that has one operation."""
    answer = {"content": {"application/json": {"schema": answered}}} if answered else {}
    operation: dict[str, Any] = {
        "operationId": "thing",
        "tags": ["Things"],
        "description": "Does a thing.",
        "responses": {"200": answer, **more.pop("refusals", {})},
        **more,
    }
    if sent:
        operation["requestBody"] = {"content": {"application/json": {"schema": sent}}}
    document = {"paths": {path: {method: operation}}, "components": {"schemas": schemas or {}}}
    (group,) = reference(document, ORIGIN)
    assert group.name == "Things"
    (endpoint,) = group.endpoints
    return endpoint


def test_references_are_resolved_and_inner_fields_are_named_by_their_path() -> None:
    login = {"type": "object", "properties": {"user": {"type": "string"}}}
    relay = {"properties": {"url": {"type": "string"}, "login": login}, "required": ["url"]}
    endpoint = the_only_endpoint(
        answered={
            "properties": {
                "turn": {"anyOf": [{"$ref": "#/components/schemas/Relay"}, {"type": "null"}]},
                "all": {"type": "array", "items": {"$ref": "#/components/schemas/Relay"}},
            }
        },
        schemas={"Relay": {"type": "object", **relay}},
    )
    assert [(field.name, field.type, field.required) for field in endpoint.answered] == [
        ("turn", "object", False),
        ("turn.url", "string", True),
        ("turn.login", "object", False),
        ("turn.login.user", "string", False),
        ("all", "list", False),
        ("all[].url", "string", True),
        ("all[].login", "object", False),
        ("all[].login.user", "string", False),
    ]


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        ({"type": "string", "pattern": "^a$"}, "string", "matches `^a$`"),
        (
            {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 9}, {"type": "null"}]},
            "string",
            "1 characters or more, 9 characters or fewer",
        ),
        (
            {"type": "integer", "minimum": 0, "maximum": 3, "default": 2},
            "integer",
            "at least 0, at most 3, default 2",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "array"}]}, "string or list", ""),
        ({"type": "boolean", "const": True, "default": True}, "true", ""),
        ({"type": "string", "enum": ["a", "b"]}, '"a" or "b"', ""),
        ({"type": "string", "format": "date-time"}, "date-time", ""),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, "file", ""),
        ({}, "", ""),
    ],
)
def test_a_field_says_its_type_and_limits(schema: dict[str, Any], kind: str, limits: str) -> None:
    sent = {"properties": {"it": {**schema, "description": "What it is"}}}
    (field,) = the_only_endpoint(sent=sent).sent
    assert field == Field("it", kind or "any", False, limits, "What it is")  # noqa: FBT003 - as it is


def test_a_parameter_says_where_it_is_sent() -> None:
    header = {"name": "If-Match", "in": "header", "description": "A tag"}
    endpoint = the_only_endpoint(parameters=[{**header, "schema": {"type": "string"}}])
    assert endpoint.parameters == (("header", Field("If-Match", "string", False, "", "A tag")),)  # noqa: FBT003 - as it is


def test_a_problem_stands_once_with_all_its_statuses() -> None:
    endpoint = the_only_endpoint(refusals=json.loads(json.dumps(problems(*PROBLEMS[:2]))))
    assert endpoint.problems == (
        ("invalid-request", "400, 413, 415, 422"),
        ("unauthenticated", "401"),
    )


def test_a_body_without_an_example_is_made_of_its_required_fields() -> None:
    properties = {
        "count": {"type": "integer"},
        "text": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "more": {"type": "string"},
    }
    endpoint = the_only_endpoint(sent={"properties": properties, "required": ["count", "text"]})
    words = shlex.split(endpoint.curl.replace("\\\n", ""))
    assert json.loads(words[-1]) == {"count": 1, "text": "..."}


def test_an_answer_without_a_schema_has_no_fields() -> None:
    endpoint = the_only_endpoint(refusals={"200": {"content": {"text/csv": {}}}})
    assert endpoint.answered == ()


def test_an_example_of_the_model_comes_first() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "required": ["a"], "examples": [{"a": "x"}]}
    assert the_only_endpoint(sent=sent).curl.endswith("""-d '{"a": "x"}'""")


def test_a_method_that_curl_would_not_guess_is_named() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert the_only_endpoint().curl.startswith("curl -X POST ")
    assert the_only_endpoint(sent=sent).curl.startswith('curl "http')
    assert the_only_endpoint(sent=sent, method="put").curl.startswith("curl -X PUT ")
    assert the_only_endpoint(method="get").curl.startswith('curl "http')


def test_an_apostrophe_in_an_example_does_not_end_the_shell_s_quotes() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "examples": [{"a": "It's me"}]}
    words = shlex.split(the_only_endpoint(sent=sent).curl.replace("\\\n", ""))
    assert json.loads(words[-1]) == {"a": "It's me"}


def test_only_calls_for_one_session_send_its_token() -> None:
    assert "Bearer $TOKEN" in the_only_endpoint(path="/api/things/{sessionId}").curl
    assert "Bearer" not in the_only_endpoint(path="/api/things").curl


def all_endpoints() -> list[Endpoint]:
    document = create_app(settings()).openapi()
    return [endpoint for group in reference(document, ORIGIN) for endpoint in group.endpoints]


def test_every_operation_is_there_under_its_own_anchor() -> None:
    document = create_app(settings()).openapi()
    operations = [(m.upper(), path) for path, each in document["paths"].items() for m in each]
    assert [(endpoint.method, endpoint.path) for endpoint in all_endpoints()] == operations
    assert len({endpoint.anchor for endpoint in all_endpoints()}) == len(operations)


def all_that_end() -> list[Endpoint]:
    """Without the streams that go on as long as somebody reads them."""
    return [endpoint for endpoint in all_endpoints() if not endpoint.path.endswith("/events")]


@pytest.mark.parametrize("endpoint", all_that_end(), ids=lambda endpoint: endpoint.anchor)
async def test_each_curl_line_does_what_it_promises(endpoint: Endpoint, visit: Visit) -> None:
    in_line = endpoint.path.startswith("/api/waiting-room")
    visitor = await visit(
        max_sessions_per_visitor=2,
        max_concurrent_sessions=1 if in_line else 2,
        operator_token="an-operator-token-of-ours",
    )
    session = (await visitor.post("/api/create-avatar-session")).json()
    values = {"$SESSION_ID": session["sessionId"], "$TOKEN": session["token"]}
    values["$OPERATOR_TOKEN"] = "an-operator-token-of-ours"
    values |= {"$TURN_ID": "turn-1", "$AVATAR_ID": "avatar-1"}
    if endpoint.anchor == "events":  # which go on until the session ends
        await visitor.post(f"/api/avatar-sessions/{session['sessionId']}/end")
    if in_line:
        values["$TICKET"] = (await visitor.post("/api/create-avatar-session")).json()["ticket"]
    answer = await as_curl_would(visitor, endpoint.curl, values)
    assert answer.status_code == int(endpoint.status), answer.text


async def test_the_docs_show_every_call_and_every_problem(visitor: httpx.AsyncClient) -> None:
    page = (await visitor.get("/docs")).text
    for endpoint in all_endpoints():
        assert f'id="{endpoint.anchor}"' in page
        assert f"<code>{endpoint.path}</code>" in page
    for problem in PROBLEMS:
        assert page.count(f'href="/problems/{problem.name}"') >= 2


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
async def test_a_problem_has_a_page_that_says_what_to_do(
    problem: Any, visitor: httpx.AsyncClient
) -> None:
    answer = await visitor.get(f"/problems/{problem.name}")
    text = re.sub(r"</?code>", "`", html.unescape(answer.text))
    assert answer.status_code == 200
    assert f"<h1>{problem.title}</h1>" in text
    assert f"status {problem.status}" in text
    assert problem.meaning in text
    assert problem.remedy in text


async def test_a_problem_that_does_not_exist_has_no_page(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/problems/nonsense")).status_code == 404


@pytest.mark.parametrize("path", ["/docs", "/problems/session-ended"])
async def test_pages_to_read_may_load_their_own_style_and_no_script(
    path: str, visitor: httpx.AsyncClient
) -> None:
    answer = await visitor.get(path)
    policy = dict(
        directive.split(" ", 1)
        for directive in answer.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == policy["img-src"] == "'self'"
    assert "script-src" not in policy
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert (await visitor.get("/static/docs.css")).status_code == 200
