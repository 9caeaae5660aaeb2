"""The OpenAPI document tells the truth."""

from typing import Any

import httpx
import pytest

from app.main import Transports, create_app
from app.problems import PROBLEMS
from tests.support.doubles import FakeKaltura, settings

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


async def test_the_document_is_served(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/openapi.json")
    assert answer.json()["info"]["title"] == "Avatar Broker"
