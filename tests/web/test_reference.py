"""The reference: OpenAPI made readable, and code that works."""

import functools
import html
import json
import re
import secrets
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.main import Transports, create_app
from app.problems import PROBLEMS
from app.web.bounds import WebBounds
from app.web.docs.openapi import problems
from app.web.docs.reference import Endpoint, Field, reference
from app.web.docs.security_schemes import schemes
from tests.support.doubles import FakeKaltura, settings
from tests.support.served import Served, served
from tests.support.snippets import runner
from tests.support.visitor_api import CREATE, ORIGIN, path

OPERATOR_TOKEN = "an-operator-token-of-ours"
SCHEMES = schemes(settings())


def the_only_endpoint(
    *,
    path: str = "/api/things",
    method: str = "post",
    sent: Mapping[str, Any] | None = None,
    answered: Mapping[str, Any] | None = None,
    schemas: Mapping[str, Any] | None = None,
    schemes: Mapping[str, Any] | None = None,
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
    components = {"schemas": schemas or {}, "securitySchemes": schemes or SCHEMES}
    document = {"paths": {path: {method: operation}}, "components": components}
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
    words = shlex.split(endpoint.snippets["curl"].replace("\\\n", ""))
    assert json.loads(words[-1]) == {"count": 1, "text": "..."}


def test_an_answer_without_a_schema_has_no_fields() -> None:
    endpoint = the_only_endpoint(refusals={"200": {"content": {"text/csv": {}}}})
    assert endpoint.answered == ()


def test_an_example_of_the_model_comes_first() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "required": ["a"], "examples": [{"a": "x"}]}
    assert the_only_endpoint(sent=sent).snippets["curl"].endswith("""-d '{"a": "x"}'""")


def test_a_method_that_curl_would_not_guess_is_named() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert the_only_endpoint().snippets["curl"].startswith("curl -X POST ")
    assert the_only_endpoint(sent=sent).snippets["curl"].startswith('curl "http')
    assert the_only_endpoint(sent=sent, method="put").snippets["curl"].startswith("curl -X PUT ")
    assert the_only_endpoint(method="get").snippets["curl"].startswith('curl "http')


def test_an_apostrophe_in_an_example_does_not_end_the_shell_s_quotes() -> None:
    sent = {"properties": {"a": {"type": "string"}}, "examples": [{"a": "It's me"}]}
    words = shlex.split(the_only_endpoint(sent=sent).snippets["curl"].replace("\\\n", ""))
    assert json.loads(words[-1]) == {"a": "It's me"}


@pytest.mark.parametrize(
    ("security", "curl", "python"),
    [
        (["token", "cookie", "visitor"], '-H "Authorization: Bearer $TOKEN"', 'f"Bearer {TOKEN}"'),
        (["cookie", "visitor"], "-b cookies.txt -c cookies.txt", '"Avatar-Visitor": VISITOR'),
        (["operator"], '"Authorization: Bearer $OPERATOR_TOKEN"', 'f"Bearer {OPERATOR_TOKEN}"'),
    ],
)
def test_a_call_sends_what_says_who_calls(security: list[str], curl: str, python: str) -> None:
    code = the_only_endpoint(security=[{name: []} for name in security]).snippets
    assert curl in code["curl"]
    assert python in code["Python"]


def test_where_visitors_sign_in_a_call_sends_the_token_of_their_login() -> None:
    login = {"visitor": {"type": "http", "scheme": "bearer"}}
    security: list[Any] = [{"cookie": []}, {"visitor": []}]
    code = the_only_endpoint(security=security, schemes=login).snippets
    assert '-H "Authorization: Bearer $VISITOR"' in code["curl"]
    assert '"Authorization": `Bearer ${VISITOR}`' in code["JavaScript"]


@functools.cache
def document() -> dict[str, Any]:
    return create_app(settings()).openapi()


@functools.cache
def all_endpoints() -> list[Endpoint]:
    return [endpoint for group in reference(document(), ORIGIN) for endpoint in group.endpoints]


def test_every_operation_is_there_under_its_own_anchor() -> None:
    operations = [(m.upper(), path) for path, each in document()["paths"].items() for m in each]
    assert [(endpoint.method, endpoint.path) for endpoint in all_endpoints()] == operations
    assert len({endpoint.anchor for endpoint in all_endpoints()}) == len(operations)


@asynccontextmanager
async def broker(*, sessions: int) -> AsyncIterator[Served]:
    """A broker with room for so many sessions, whose streams soon end."""
    kaltura = FakeKaltura()
    app = create_app(
        settings(
            max_concurrent_sessions=sessions,
            address_share_percent=100,
            operator_token=OPERATOR_TOKEN,
        ),
        transports=Transports(kaltura=kaltura, pictures=kaltura),
        bounds=WebBounds(stream_seconds=0),
    )
    async with LifespanManager(app) as manager, served(manager.app) as broker:
        yield broker


@pytest.mark.parametrize("language", ["curl", "JavaScript", "Python"])
async def test_the_code_of_each_call_does_what_it_promises(language: str) -> None:
    answered = {}
    async with broker(sessions=100) as free, broker(sessions=1) as full, runner(language) as run:
        await values_for(full.url)
        for endpoint in all_endpoints():
            called = full if endpoint.path.startswith("/api/waiting-room") else free
            values = await values_for(called.url, is_over=endpoint.anchor == "events")
            called.answered.clear()
            await run(endpoint.snippets[language].replace(ORIGIN, called.url), values)
            answered[endpoint.anchor] = list(called.answered)
    assert answered == {
        endpoint.anchor: [(endpoint.method, int(endpoint.status))] for endpoint in all_endpoints()
    }


async def values_for(url: str, *, is_over: bool = False) -> dict[str, str]:
    """What the names in capitals stand for, to someone who has just created a session."""
    async with httpx.AsyncClient(base_url=url) as client:
        created = (await client.post(CREATE)).json()
        if is_over:  # its events go on until then
            await client.post(path(created, "end"))
    return {
        "SESSION_ID": created.get("sessionId", ""),
        "TOKEN": created.get("token", ""),
        "TICKET": created.get("ticket", ""),
        "TURN_ID": "turn-1",
        "AVATAR_ID": "avatar-1",
        "VISITOR": secrets.token_urlsafe(32),
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
    }


async def test_the_docs_show_every_call_and_every_problem(visitor: httpx.AsyncClient) -> None:
    page = (await visitor.get("/docs")).text
    for endpoint in all_endpoints():
        assert f'id="{endpoint.anchor}"' in page
        assert f"<code>{endpoint.path}</code>" in page
    for problem in PROBLEMS:
        assert page.count(f'href="/problems/{problem.name}"') >= 2


async def test_a_problem_has_a_page_that_says_what_to_do(visitor: httpx.AsyncClient) -> None:
    for problem in PROBLEMS:
        answer = await visitor.get(f"/problems/{problem.name}")
        text = re.sub(r"</?code>", "`", html.unescape(answer.text))
        assert answer.status_code == 200
        assert f"<h1>{problem.title}</h1>" in text
        assert f"status {problem.status}" in text
        assert problem.meaning in text
        assert problem.remedy in text


async def test_a_problem_that_does_not_exist_has_no_page(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/problems/nonsense")).status_code == 404


def policy_of(answer: httpx.Response) -> dict[str, str]:
    policy = answer.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in policy)


@pytest.mark.parametrize("path", ["/docs", "/problems/session-ended"])
async def test_pages_to_read_may_load_their_own_style(
    path: str, visitor: httpx.AsyncClient
) -> None:
    answer = await visitor.get(path)
    policy = policy_of(answer)
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == policy["img-src"] == "'self'"
    assert "style=" not in answer.text
    assert (await visitor.get("/static/docs.css")).status_code == 200


async def test_a_page_to_read_may_run_no_script_but_the_reference_its_own(
    visitor: httpx.AsyncClient,
) -> None:
    problem = await visitor.get("/problems/session-ended")
    assert "script-src" not in policy_of(problem)
    assert "<script" not in problem.text
    docs = await visitor.get("/docs")
    [nonce] = re.findall(r"^'nonce-([\w-]{20,})'$", policy_of(docs)["script-src"])
    assert policy_of(docs)["require-trusted-types-for"] == "'script'"
    [script] = re.findall(r"<script\b[^>]*>", docs.text)
    assert f'nonce="{nonce}"' in script
    assert "<button" not in docs.text, "what needs the script is made by it"
    assert nonce not in (await visitor.get("/docs")).text


async def test_the_contents_of_the_reference_lead_to_each_group_and_call(
    visitor: httpx.AsyncClient,
) -> None:
    page = (await visitor.get("/docs")).text
    [contents] = re.findall(r"<nav class=\"contents\".*?</nav>", page, re.DOTALL)
    linked = re.findall(r'href="#([^"]+)"', contents)
    assert linked == re.findall(r'<(?:h2|details class="endpoint") id="([^"]+)"', page)
