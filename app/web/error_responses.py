"""How a problem is told: as problem+json, or in Kaltura's shape on the mirror."""

from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Scope

from app.audit.request_context import Surface
from app.kaltura.contract import MIRROR_PATH, DocumentedRefusal, Refused
from app.problems import (
    InvalidRequest,
    KalturaBusy,
    NothingToSay,
    Problem,
    SessionEnded,
    SessionNotFound,
    Unauthenticated,
)

OPERATOR_PATH: Final = "/operator"
PROBLEM_JSON: Final = "application/problem+json"
_KALTURA_REFUSALS: Final = {
    Unauthenticated: DocumentedRefusal.INVALID_TOKEN,
    SessionNotFound: DocumentedRefusal.SESSION_NOT_FOUND,
    SessionEnded: DocumentedRefusal.SESSION_ENDED,
    NothingToSay: DocumentedRefusal.TEXT_REQUIRED,
}
_PROBLEM: Final = "problem_told"
_REQUEST_ERRORS: Final = frozenset({400, 413, 415})


def answer_problem(scope: Scope, problem: Problem) -> JSONResponse:
    """`problem` in the shape of the surface that `scope` is on."""
    scope["state"][_PROBLEM] = problem.name
    if _is_mirror(scope):
        status, error = _as_kaltura(problem)
        body = Refused(error=error).model_dump()
        return JSONResponse(body, status_code=status, headers=problem.headers)
    return JSONResponse(
        problem.as_dict(request_id(scope)),
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_JSON,
    )


def request_id(scope: Scope) -> str:
    """The id of this request; the outermost guard has put it there."""
    return str(scope["state"]["request_id"])


def problem_told(scope: Scope) -> str | None:
    """The name of the problem that this request was answered with."""
    name: str | None = scope["state"].get(_PROBLEM)
    return name


async def on_problem(request: Request, problem: Exception) -> JSONResponse:
    """Exception handler for `Problem`."""
    assert isinstance(problem, Problem)  # noqa: S101 - registered for this type alone
    return answer_problem(request.scope, problem)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Exception handler for FastAPI's validation: names each field, repeats no value."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type alone
    mistakes = [_mistake(mistake) for mistake in error.errors()]
    first = mistakes[0]
    unreadable = any(mistake["type"] == "json_invalid" for mistake in error.errors())
    kind = NothingToSay if first["field"] == "text" else InvalidRequest
    problem = kind(
        "The body is not JSON that can be read."
        if unreadable
        else f"{first['field']}: {first['message']}",
        status=HTTPStatus.BAD_REQUEST if unreadable else None,
        errors=[] if unreadable else mistakes,
    )
    return answer_problem(request.scope, problem)


def _mistake(mistake: Any) -> dict[str, str]:
    where = [str(part) for part in mistake["loc"][1:]] or ["body"]
    return {"field": ".".join(where), "message": mistake["msg"].removeprefix("Value error, ")}


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    """Exception handler for what the framework refuses: unknown paths, wrong methods."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type alone
    if error.status_code in _REQUEST_ERRORS:
        return answer_problem(
            request.scope,
            InvalidRequest("The body can't be read.", status=error.status_code),
        )
    return _untyped(request.scope, error.status_code, dict(error.headers or {}))


def answer_bug(scope: Scope) -> JSONResponse:
    """What nobody foresaw; the log has the rest."""
    return _untyped(scope, HTTPStatus.INTERNAL_SERVER_ERROR, {})


def answer_stopping(scope: Scope) -> JSONResponse:
    """The process is asked to stop before this request is through."""
    return _untyped(scope, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})


def answer_slow(scope: Scope) -> JSONResponse:
    """The body does not come; closing is all that stops the rest of it."""
    return _untyped(scope, HTTPStatus.REQUEST_TIMEOUT, {"Connection": "close"})


def answer_full(scope: Scope) -> JSONResponse:
    """More is being received at once than there is memory for."""
    headers = {"Retry-After": "5", "Connection": "close"}
    return _untyped(scope, HTTPStatus.SERVICE_UNAVAILABLE, headers)


def _untyped(scope: Scope, status: int, headers: dict[str, str]) -> JSONResponse:
    """A problem that its status says all about (RFC 9457, about:blank)."""
    title = HTTPStatus(status).phrase
    if _is_mirror(scope):
        body = Refused(error=title).model_dump()
        return JSONResponse(body, status_code=status, headers=headers)
    document = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": HTTPStatus(status).description or title,
        "requestId": request_id(scope),
    }
    return JSONResponse(document, status_code=status, headers=headers, media_type=PROBLEM_JSON)


def surface_of(path: str) -> Surface:
    """The surface that a path belongs to."""
    if path == MIRROR_PATH or path.startswith(f"{MIRROR_PATH}/"):
        return "mirror"
    return "operator" if path == OPERATOR_PATH or path.startswith(f"{OPERATOR_PATH}/") else "api"


def _is_mirror(scope: Scope) -> bool:
    return surface_of(scope["path"]) == "mirror"


def _as_kaltura(problem: Problem) -> tuple[int, str]:
    """Kaltura's status and text for a problem (reference 1.1); SDKs know these and no others."""
    refusal = _KALTURA_REFUSALS.get(type(problem))
    if refusal is not None:
        return refusal.status, refusal.error
    if isinstance(problem, InvalidRequest):
        return HTTPStatus.BAD_REQUEST, problem.detail
    if isinstance(problem, KalturaBusy):
        return HTTPStatus.TOO_MANY_REQUESTS, problem.title
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return HTTPStatus.SERVICE_UNAVAILABLE, problem.title
    return problem.status, problem.title
