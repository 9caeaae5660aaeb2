"""The OpenAPI document: its problems, made from their classes, and its corrections."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from app.config.settings import Settings
from app.kaltura.contract import Refused
from app.problems import PROBLEMS, InvalidRequest, Problem
from app.sessions.store.model import EndReason
from app.web.docs.security_schemes import schemes, security_of
from app.web.error_responses import PROBLEM_JSON
from app.web.stream_limit import EventStream


class FieldMistake(BaseModel):
    """One field that is not valid."""

    field: str
    message: str


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457); `type` leads to a page that says how to mend it."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(
        examples=["/problems/session-ended"],
        json_schema_extra={"enum": [f"/problems/{kind.name}" for kind in PROBLEMS]},
    )
    title: str
    status: int
    detail: str
    requestId: str = Field(description="Tell it to the operator")  # noqa: N815 - the wire's name
    errors: list[FieldMistake] = []
    endReason: EndReason | None = Field(None, description="Of `session-ended`")  # noqa: N815 - likewise
    signIn: bool = Field(False, description="Whether the app's login would help")  # noqa: FBT003, N815 - likewise


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer these problems.

    `invalid-request` brings its other statuses: bad JSON, too large, wrong content type.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        statuses = [400, 413, 415, 422] if kind is InvalidRequest else [kind.status]
        for status in statuses:
            response = responses.setdefault(status, _empty_response())
            examples = response["content"][PROBLEM_JSON]["examples"]
            examples[kind.name] = {"value": kind(status=status).as_dict("3f2a9c01d4e5b678")}
            response["description"] = ", ".join(examples)
    return responses


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route of the mirror, which refuses as Kaltura does."""
    return {
        status: {"model": Refused, "description": HTTPStatus(status).phrase} for status in statuses
    }


def _empty_response() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"content": {PROBLEM_JSON: {"schema": schema, "examples": {}}}}


def operation_id(route: APIRoute) -> str:
    """The operation id, which names a method of generated clients: the function's name."""
    return route.name


def _say_that_streams_are_text(responses: dict[str, Any]) -> None:
    """Give streamed answers the schema of a text, and that of an event as `itemSchema`.

    OpenAPI 3.1 can't describe the items of a stream; 3.2 has `itemSchema` for them.
    """
    for response in responses.values():
        for content_type, content in response.get("content", {}).items():
            if content_type == EventStream.media_type and "$ref" in content.get("schema", {}):
                content["itemSchema"] = {"$ref": content.pop("schema")["$ref"]}
            content.setdefault("schema", {"type": "string"})


def describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document of `app`, without the responses that FastAPI assumes wrongly."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = security_of(path)
            assumed = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in assumed:
                del operation["responses"]["422"]
            _say_that_streams_are_text(operation["responses"])
    document["components"]["securitySchemes"] = schemes(settings)
    schemas = document["components"]["schemas"]
    for assumed in ("HTTPValidationError", "ValidationError"):
        schemas.pop(assumed, None)
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    return document
