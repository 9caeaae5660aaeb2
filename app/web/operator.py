"""The operator's API: what is going on, what was, and what it cost."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from app.audit.entries import Event
from app.audit.trail import MAX_PAGE, Filter
from app.identity.visitor import Visitor
from app.problems import (
    UPSTREAM,
    CrossSiteRequest,
    InvalidRequest,
    Problem,
    RateLimited,
    RecordUnavailable,
    SessionNotFound,
    Unauthenticated,
)
from app.settings import Settings
from app.web.accounts import AuditPage, LiveSession, LiveSessionList, SignIn, UsageReport
from app.web.answers import OPERATOR_PATH
from app.web.deps import BrokerDep, ClockDep, RatesDep, SettingsDep, TrailDep, UsageDep
from app.web.openapi import operation_id, problems
from app.web.operators import OperatorDep, OperatorsDep
from app.web.shapes import Done

_OPERATOR: Final[tuple[type[Problem], ...]] = (Unauthenticated, RateLimited)

router = APIRouter(
    prefix=f"{OPERATOR_PATH}/api", tags=["Operator"], generate_unique_id_function=operation_id
)


@router.get(
    "/audit",
    responses=problems(InvalidRequest, *_OPERATOR, RecordUnavailable),
)
async def read_audit(
    _: OperatorDep,
    trail: TrailDep,
    settings: SettingsDep,
    session_id: Annotated[str | None, Query(alias="sessionId", max_length=256)] = None,
    visitor: Annotated[
        str | None, Query(max_length=256, description="An id, or what their login calls them")
    ] = None,
    event: Event | None = None,
    since: Annotated[datetime | None, Query(description="From this moment on")] = None,
    until: Annotated[datetime | None, Query(description="Before this moment")] = None,
    text: Annotated[
        str | None, Query(min_length=1, max_length=256, description="Words that were to be said")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    cursor: Annotated[
        str | None, Query(pattern="^[0-9]{1,18}$", description="Of the answer before")
    ] = None,
) -> AuditPage:
    """The record, newest first.

    `cursor` of the answer leads to what is older, until it is null. Going on with it neither skips
    nor repeats anything, whatever is added meanwhile. A search for words looks through 100000
    entries at a time, so that a page may be empty and yet have a cursor.
    """
    wanted = Filter(
        session_id=session_id,
        visitor=visitor and _visitor_id(visitor, settings),
        event=event,
        since=_unix(since) if since else None,
        until=_unix(until) if until else None,
        text=text,
    )
    page = await trail.page(wanted, limit=limit, before=int(cursor) if cursor else None)
    return AuditPage.of(page)


@router.get(
    "/sessions",
    responses=problems(*_OPERATOR, RecordUnavailable),
)
async def list_live_sessions(
    _: OperatorDep, broker: BrokerDep, trail: TrailDep, clock: ClockDep
) -> LiveSessionList:
    """The sessions that are open, the latest first."""
    live = sorted(await broker.live(), key=lambda session: session.opened_at, reverse=True)
    ids = [session.session_id for session in live]
    opened = await trail.latest(ids, Event.OPENED)
    said = await trail.latest(ids, Event.SAY_TEXT)
    return LiveSessionList(
        sessions=[
            LiveSession.told(
                session,
                opened=opened.get(session.session_id),
                said=said.get(session.session_id),
                now=clock(),
                seconds_left=await broker.seconds_left(session),
            )
            for session in live
        ]
    )


@router.post(
    "/sessions/{sessionId}/end",
    responses=problems(CrossSiteRequest, *_OPERATOR, SessionNotFound, *UPSTREAM),
)
async def end_live_session(
    _: OperatorDep, session_id: Annotated[str, Path(alias="sessionId")], broker: BrokerDep
) -> Done:
    """End a session, whoever's it is; its page is told so. Ending it again changes nothing."""
    await broker.end_any(session_id)
    return Done()


@router.get("/usage", responses=problems(*_OPERATOR, RecordUnavailable))
async def read_usage(_: OperatorDep, usage: UsageDep) -> UsageReport:
    """Sessions and minutes of today and the thirty days before it, by day and by visitor."""
    return UsageReport.of(await usage.by_day(), await usage.by_visitor(1), await usage.by_visitor())


@router.post("/sign-in", include_in_schema=False)
async def operator_sign_in(
    body: SignIn, request: Request, response: Response, operators: OperatorsDep, rates: RatesDep
) -> Done:
    """Exchange the operator's token for a cookie of twelve hours, for pages."""
    await operators.require_token(body.token.get_secret_value(), request, rates.sign_in)
    operators.sign_in(response)
    return Done()


@router.post("/sign-out", include_in_schema=False)
async def operator_sign_out(response: Response, operators: OperatorsDep) -> Done:
    """Take that cookie back."""
    operators.sign_out(response)
    return Done()


def _visitor_id(visitor: str, settings: Settings) -> str:
    """The id of a visitor, who may be named as their login names them."""
    if settings.auth_mode == "anonymous" or visitor.startswith("service:"):
        return visitor
    if len(visitor) == _ID_DIGITS and set(visitor) <= set("0123456789abcdef"):
        return visitor
    return Visitor.signed_in(settings.auth_issuer or "", visitor).id


_ID_DIGITS: Final = 32


def _unix(moment: datetime) -> float:
    """Unix seconds; a time without a zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
