"""The OpenAPI document as rows for `templates/docs.html`: `$ref`s resolved, fields made flat."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from app.web.docs.snippets import Call, Credential, snippets
from app.web.error_responses import PROBLEM_JSON

_VARIABLES: Final = {"operator": "OPERATOR_TOKEN", "token": "TOKEN", "visitor": "VISITOR"}
"""The variable for the credential of each security scheme, those to be shown first first."""

_LIMITS: Final = {
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "pattern": "matches `{}`",
}
"""The constraints of JSON Schema in words."""

_EXAMPLES: Final = {"integer": 1, "number": 1.5, "boolean": True}
"""An example of each type but strings, for a body whose model gives none."""


@dataclass(frozen=True)
class Field:
    """One field of a body, or one parameter; a nested one is named by its path, as `turn.url`."""

    name: str
    type: str
    required: bool
    limits: str
    description: str


@dataclass(frozen=True)
class Endpoint:
    """One method of one path: what it takes, what it answers, and how to call it."""

    anchor: str
    tag: str
    method: str
    path: str
    description: str
    parameters: tuple[tuple[str, Field], ...]
    """Each parameter, after its place: path, query or header."""
    content_type: str | None
    sent: tuple[Field, ...]
    status: str
    answered: tuple[Field, ...]
    problems: tuple[tuple[str, str], ...]
    """The name of each problem, and its statuses."""
    snippets: Mapping[str, str]
    """Code that makes the call, by its language."""


@dataclass(frozen=True)
class Group:
    """The endpoints of one surface."""

    name: str
    endpoints: tuple[Endpoint, ...]


def reference(document: Mapping[str, Any], origin: str) -> tuple[Group, ...]:
    """Every operation of an OpenAPI document by its tag, called at `origin`."""
    components = _Components(document["components"])
    endpoints = [
        _endpoint(components, origin, method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    by_tag = groupby(endpoints, key=lambda endpoint: endpoint.tag)
    return tuple(Group(name, tuple(members)) for name, members in by_tag)


def _endpoint(
    components: "_Components", origin: str, method: str, path: str, operation: Mapping[str, Any]
) -> Endpoint:
    content_type, body = _content(operation.get("requestBody", {}))
    status, success = next(
        (status, answer) for status, answer in operation["responses"].items() if status < "300"
    )
    answered_type, answered = _content(success)
    call = Call(
        method=method.upper(),
        url=f"{origin}{path}",
        credential=components.credential(operation.get("security", [])),
        content_type=content_type,
        body=components.example(body),
        answered=answered_type,
    )
    return Endpoint(
        anchor=operation["operationId"],
        tag=operation["tags"][0],
        method=call.method,
        path=path,
        description=operation["description"],
        parameters=tuple(map(components.parameter, operation.get("parameters", []))),
        content_type=content_type,
        sent=tuple(components.fields(body)),
        status=status,
        answered=tuple(components.fields(answered)),
        problems=_problems(operation["responses"]),
        snippets=snippets(call),
    )


def _problems(responses: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    statuses: dict[str, list[str]] = {}
    for status, answer in sorted(responses.items()):
        for name in answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}):
            statuses.setdefault(name, []).append(status)
    return tuple((name, ", ".join(several)) for name, several in statuses.items())


def _content(message: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The content type of a body and its schema, if it has one; None where there is no body."""
    for content_type, content in message.get("content", {}).items():
        return content_type, content.get("schema", {})
    return None, {}


class _Components:
    """The document's named schemas, which resolve `$ref`s, and its security schemes."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._named = components["schemas"]
        self._schemes = components["securitySchemes"]

    def credential(self, security: Iterable[Mapping[str, Any]]) -> Credential | None:
        """The credential to show of those that an operation takes."""
        names = {name for each in security for name in each}
        shown = next((name for name in _VARIABLES if name in names), None)
        if shown is None:
            return None
        scheme = self._schemes[shown]
        if scheme["type"] == "apiKey":
            return Credential(scheme["name"], "", _VARIABLES[shown], "cookie" in names)
        return Credential("Authorization", "Bearer ", _VARIABLES[shown])

    def fields(self, schema: Mapping[str, Any], prefix: str = "") -> Iterator[Field]:
        """The fields of an object, and after each the fields inside it."""
        for branch in self._branches(schema):
            required = branch.get("required", [])
            for name, inner in branch.get("properties", {}).items():
                yield self.field(prefix + name, inner, required=name in required)
                yield from self.fields(inner, f"{prefix}{name}.")
            if "items" in branch:
                yield from self.fields(branch["items"], f"{prefix.removesuffix('.')}[].")

    def parameter(self, parameter: Mapping[str, Any]) -> tuple[str, Field]:
        """The place of a parameter (path, query or header), and the parameter."""
        schema = {"description": parameter.get("description", ""), **parameter["schema"]}
        required = parameter.get("required", False)
        return parameter["in"], self.field(parameter["name"], schema, required=required)

    def field(self, name: str, schema: Mapping[str, Any], *, required: bool) -> Field:
        """One field, whose type may be several."""
        branches = list(self._branches(schema))
        limits = [
            text.format(branch[key])
            for branch in branches
            for key, text in _LIMITS.items()
            if key in branch
        ]
        if "default" in schema and "const" not in schema:
            limits.append(f"default {json.dumps(schema['default'])}")
        return Field(
            name=name,
            type=" or ".join(dict.fromkeys(_type(branch) for branch in branches)),
            required=required,
            limits=", ".join(limits),
            description=schema.get("description", ""),
        )

    def example(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """A body to send: the model's own example, or its required fields made up."""
        for branch in self._branches(schema):
            if "examples" in branch:
                example: dict[str, Any] = branch["examples"][0]
                return example
            return {
                name: _EXAMPLES.get(branch["properties"][name].get("type"), "...")
                for name in branch.get("required", [])
            }
        return {}

    def _branches(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The alternatives of a schema: `$ref` resolved, `anyOf` taken apart, null left out."""
        if "$ref" in schema:
            yield from self._branches(self._named[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema:
            for branch in schema["anyOf"]:
                yield from self._branches(branch)
        elif schema and schema.get("type") != "null":
            yield schema


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return "list"
    if "contentMediaType" in schema:
        return "file"
    return str(schema.get("format") or schema.get("type", "any"))
