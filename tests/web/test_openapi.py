"""The OpenAPI document tells the truth."""

import json
import re
from typing import Any

import httpx
import pytest

from app.main import Transports, create_app
from app.problems import PROBLEMS
from app.web.visitor.schemas import SessionEvent
from tests.support.doubles import FakeKaltura, settings
from tests.support.visitor_api import HTTPS, Visit, opened, path

PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(settings(), transports=Transports(kaltura=FakeKaltura())).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_reference_leads_to_a_schema(document: dict[str, Any]) -> None:
    named = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document))
    assert set(named) == set(document["components"]["schemas"])


def test_every_contract_row_of_this_version_is_there(document: dict[str, Any]) -> None:
    session = "/api/avatar-sessions/{sessionId}"
    assert {name for name, _ in operations(document)} >= {
        "POST /api/create-avatar-session",
        "GET /api/create-avatar-session",
        "GET /api/avatar-sessions",
        f"GET {session}",
        f"GET {session}/media",
        *(
            f"POST {session}/{control}"
            for control in ("speak", "speak-audio", "interrupt", "keep-alive", "end")
        ),
        "GET /healthz",
        "GET /readyz",
        "GET /servez",
    }


def test_every_operation_has_a_stable_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert "speak" in ids


def test_every_error_is_a_problem_with_an_example_that_is_real(document: dict[str, Any]) -> None:
    kinds = {kind.name: kind for kind in PROBLEMS}
    seen = set()
    for name, operation in operations(document):
        if "/api/" not in name:
            continue
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            content = response["content"]["application/problem+json"]
            assert content["schema"] == PROBLEM
            for problem, example in content["examples"].items():
                seen.add(problem)
                assert example["value"]["status"] == int(status)
                assert example["value"]["title"] == kinds[problem].title
    assert seen == set(kinds), "every problem is documented where it can be met"


def test_nothing_that_the_framework_assumes_and_we_never_answer_is_promised(
    document: dict[str, Any],
) -> None:
    assert "ValidationError" not in str(document)


CREDENTIALS = {"token", "cookie", "visitor", "service", "operator"}
NAMED = {"sessionId": "s-1", "ticket": "t-1", "turnId": "turn-1", "avatarId": "a-1"}


def test_every_kind_of_credentials_is_described(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert set(schemes) == CREDENTIALS
    assert schemes["cookie"]["name"] == "avatar_visitor"
    over_https = create_app(settings(**HTTPS)).openapi()["components"]["securitySchemes"]
    assert over_https["cookie"]["name"] == "__Host-avatar_visitor"


async def test_an_operation_says_whether_it_answers_without_credentials(
    visit: Visit, document: dict[str, Any]
) -> None:
    visitor = await visit(operator_token="operator-token-of-32-characters-1")
    for name, operation in operations(document):
        method, path = name.format(**NAMED).split()
        answer = await visitor.request(method, path)
        visitor.cookies.clear()
        security = operation["security"]
        assert {scheme for each in security for scheme in each} <= CREDENTIALS
        is_needed = bool(security) and {} not in security
        assert is_needed == (answer.status_code == 401), name


async def test_each_event_of_a_session_is_as_the_document_describes_it(
    visitor: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    stream = document["paths"]["/api/avatar-sessions/{sessionId}/events"]["get"]["responses"]["200"]
    [content] = stream["content"].values()
    assert content["itemSchema"] == {"$ref": "#/components/schemas/SessionEvent"}
    session = await opened(visitor)
    await visitor.post(path(session, "speak"), json={"text": "Hello"})
    await visitor.post(path(session, "end"))
    answer = await visitor.get(path(session, "events"))
    kinds = []
    for block in answer.text.strip().split("\n\n"):
        told = dict(line.split(": ", 1) for line in block.splitlines())
        told.pop("retry", None)
        event = SessionEvent.model_validate({**told, "data": json.loads(told["data"])}).root
        kinds.append(event.event)
    assert set(kinds) == {"session", "utterance"}


async def test_the_document_is_served(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/openapi.json")
    assert answer.json()["info"]["title"] == "Avatar Broker"
