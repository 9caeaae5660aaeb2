"""ASGI middleware around every route: request ids, the log, security headers, and refusals."""

import asyncio
import random
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.audit.request_context import audit_context
from app.audit.throttle import Throttle
from app.observability.metrics import Metrics
from app.problems import CrossSiteRequest, InvalidRequest, KalturaCredentialsRejected
from app.web.error_responses import (
    answer_bug,
    answer_problem,
    answer_stopping,
    problem_told,
    surface_of,
)
from app.web.middleware.log_levels import level_of, route_of
from app.web.middleware.origins import HostPolicy, OriginPolicy

REQUEST_ID: Final = "X-Request-ID"
ANSWERED_BY: Final = "answered_by"
"""The name of the other replica that has answered a request, in the request's state."""

_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UNDER_ANY_NAME: Final = re.compile(r"/healthz|/servez|/readyz|/static/.*")
"""Monitors call the process by its address, and the page that refuses a name needs its styles."""

log = structlog.get_logger("request")


def _new_id() -> str:
    """A request's id: no secret, so the system is not asked for bits, which would take 10 us."""
    return f"{random.getrandbits(64):016x}"


class RequestContext:
    """Gives each request an id, a log line, a metric, and an answer even when a bug stops it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._metrics = metrics
        self._throttle = Throttle(monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else _new_id()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0
        started = time.perf_counter()

        async def with_request_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # HTTPStatus prints as itself
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            audit_context(request_id, surface_of(scope["path"])),
        ):
            try:
                await self._app(scope, receive, with_request_id)
            except asyncio.CancelledError:
                if status:
                    raise
                await answer_stopping(scope)(scope, receive, with_request_id)
            except Exception:
                log.exception("bug")
                if status:
                    raise  # half an answer is out; only closing the connection is left
                await answer_bug(scope)(scope, receive, with_request_id)
            finally:
                seconds = time.perf_counter() - started
                problem = problem_told(scope)
                replica = scope["state"].get(ANSWERED_BY)
                if replica is None:  # else the other replica has counted it
                    route = route_of(scope)
                    self._metrics.answered(scope["method"], route, status, problem, seconds)
                log.log(
                    level_of(scope, status, seconds),
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    **({} if problem is None else {"problem": problem}),
                    **({} if replica is None else {"replica": replica}),
                    duration_ms=round(seconds * 1000, 1),
                )
                if problem == KalturaCredentialsRejected.name:
                    self._warn_of_outage(problem)

    def _warn_of_outage(self, problem: str) -> None:
        """Log what only the operator can mend: at once, and then at most once a minute."""
        left_out = self._throttle.left_out(problem, a_minute=1)
        if left_out is not None:
            log.error(
                "kaltura refuses the broker's credentials, so no session can be opened: set a new "
                "AVATAR_KS, or mend what makes one; `avatar-broker doctor` tells which",
                refused=left_out + 1,
            )


class SecurityHeaders:
    """Adds security headers to every answer; a route's own value of one wins."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = {
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), autoplay=(self)",
            "Cache-Control": "no-store",
        }
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        # As bytes from the start, which saves 10 us of each answer.
        self._headers = Headers(headers).raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_security_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [header for header in self._headers if header[0] not in own]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_security_headers if scope["type"] == "http" else send)


class HostGuard:
    """Refuses requests under another host name, against DNS rebinding."""

    def __init__(self, app: ASGIApp, *, policy: HostPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _UNDER_ANY_NAME.fullmatch(scope["path"]):
            headers = Headers(scope=scope)
            named = self._policy.allows(headers.getlist("Host"))
            if not named and not self._policy.is_proven(scope["path"], headers):
                problem = InvalidRequest(
                    "Host: this broker is not reached by that name. A proxy must pass the Host "
                    "header on as it came, and PUBLIC_URL must name it.",
                    status=HTTPStatus.BAD_REQUEST,
                )
                await answer_problem(scope, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class CrossSiteGuard:
    """Refuses requests that another site's page made a browser send (see `OriginPolicy`)."""

    def __init__(self, app: ASGIApp, *, policy: OriginPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_guest = self._policy.is_guest(headers)
        if is_guest:
            scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != b"cookie"]}

        async def for_this_caller(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                told.add_vary_header("Sec-Fetch-Site")
                if is_guest:
                    del told["Set-Cookie"]
            await send(message)

        if scope["method"] not in SAFE_METHODS and self._policy.is_cross_site(headers):
            await answer_problem(scope, CrossSiteRequest())(scope, receive, for_this_caller)
            return
        await self._app(scope, receive, for_this_caller)
