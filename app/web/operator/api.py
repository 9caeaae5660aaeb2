"""The operator's API: live sessions, the audit record, and usage."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from app.audit.reader import MAX_PAGE
from app.problems import (
    UPSTREAM,
    CrossSiteRequest,
    InvalidRequest,
    Problem,
    RateLimited,
    RecordUnavailable,
    ReplicaUnavailable,
    SessionNotFound,
    Unauthenticated,
)
from app.web.deps import AuditReaderDep, RateLimitersDep, SessionServiceDep, UsageDep
from app.web.docs.openapi import operation_id, problems
from app.web.error_responses import OPERATOR_PATH
from app.web.operator.dashboard import DashboardDep
from app.web.operator.filters import Cursor, FilterDep
from app.web.operator.schemas import AuditPage, HealthReport, LiveSessionList, SignIn, UsageReport
from app.web.operator.sign_in import OperatorAuthenticatorDep, OperatorDep
from app.web.route_classes import HeadRoute
from app.web.visitor.schemas import Done

_OPERATOR: Final[tuple[type[Problem], ...]] = (Unauthenticated, RateLimited)

router = APIRouter(
    prefix=f"{OPERATOR_PATH}/api",
    tags=["Operator"],
    generate_unique_id_function=operation_id,
    route_class=HeadRoute,
)


@router.get(
    "/audit",
    responses=problems(InvalidRequest, *_OPERATOR, RecordUnavailable),
)
async def read_audit(
    _: OperatorDep,
    audit_reader: AuditReaderDep,
    wanted: FilterDep,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    cursor: Cursor = None,
) -> AuditPage:
    """The audit record, newest first.

    Ask again with the answer's `cursor` for older entries, until it is null; entries that are added
    meanwhile are neither skipped nor repeated. A search for words or an outcome, or one without
    keep-alives, looks through 25000 entries a page, so a page may be empty and yet have a cursor.
    """
    page = await audit_reader.page(wanted, limit=limit, before=int(cursor) if cursor else None)
    return AuditPage.of(page)


@router.get(
    "/sessions",
    responses=problems(*_OPERATOR),
)
async def list_live_sessions(_: OperatorDep, dashboard: DashboardDep) -> LiveSessionList:
    """The open sessions, the latest first."""
    return await dashboard.sessions()


@router.get("/health", responses=problems(*_OPERATOR))
async def read_health(_: OperatorDep, dashboard: DashboardDep) -> HealthReport:
    """How full the broker is, how Kaltura has answered lately, and the state of the record."""
    return await dashboard.health()


@router.post(
    "/sessions/{sessionId}/end",
    responses=problems(
        CrossSiteRequest, *_OPERATOR, SessionNotFound, ReplicaUnavailable, *UPSTREAM
    ),
)
async def end_live_session(
    _: OperatorDep, session_id: Annotated[str, Path(alias="sessionId")], sessions: SessionServiceDep
) -> Done:
    """End any visitor's session; its page is told so. Ending it again changes nothing."""
    await sessions.end_any(session_id)
    return Done()


@router.get("/usage", responses=problems(*_OPERATOR, RecordUnavailable))
async def read_usage(_: OperatorDep, usage: UsageDep) -> UsageReport:
    """Sessions and minutes of today and the thirty days before, by day and by visitor."""
    return UsageReport.of(await usage.by_day(), await usage.by_visitor(1), await usage.by_visitor())


@router.post("/sign-in", include_in_schema=False)
async def operator_sign_in(
    body: SignIn,
    request: Request,
    response: Response,
    authenticator: OperatorAuthenticatorDep,
    limiters: RateLimitersDep,
) -> Done:
    """Exchange the operator's token for a cookie of twelve hours, for pages."""
    authenticator.require_own_page(request)
    await authenticator.require_token(body.token.get_secret_value(), request, limiters.sign_in)
    authenticator.sign_in(response)
    return Done()


@router.post("/sign-out", include_in_schema=False)
async def operator_sign_out(
    request: Request, response: Response, authenticator: OperatorAuthenticatorDep
) -> Done:
    """Delete the operator's cookie."""
    authenticator.require_own_page(request)
    authenticator.sign_out(response)
    return Done()
