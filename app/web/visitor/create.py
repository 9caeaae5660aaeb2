"""The routes that open a session, and those of the waiting room."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response

from app.problems import (
    UPSTREAM,
    AtCapacity,
    BudgetSpent,
    ControlNotAllowed,
    CrossSiteRequest,
    InvalidRequest,
    KalturaCredentialsRejected,
    Problem,
    RateLimited,
    RecordUnavailable,
    ReplicaUnavailable,
    SignInUnavailable,
    TicketNotFound,
    TooManySessions,
    Unauthenticated,
)
from app.sessions.capacity.manager import QueuePosition
from app.sessions.lifecycle.options import SessionOptions
from app.web.deps import AdmissionDep
from app.web.docs.openapi import operation_id, problems
from app.web.middleware.origins import is_fetch_of_own_page
from app.web.visitor.admission import SessionRequestDep
from app.web.visitor.idempotency import CreateKey
from app.web.visitor.schemas import CreateBody, CreatedSession, Done, PlaceInLine
from app.web.visitor.state_reader import OpenedReaderDep

MAX_WAIT_SECONDS: Final = 25
"""Proxies give up on an answer after 30 s or more."""

ASK_AGAIN_SECONDS: Final = 5
"""Seconds after which a visitor in line should ask again without a long poll; a turn lasts 30 s."""

TicketPath = Annotated[str, Path(max_length=64)]

_OPENED: Final[dict[int | str, dict[str, Any]]] = {
    201: {"model": CreatedSession, "description": "The session is open"},
    202: {"model": PlaceInLine, "description": "Every session is taken: a place in line"},
}
_CREATE: Final[tuple[type[Problem], ...]] = (
    SignInUnavailable,
    CrossSiteRequest,
    ControlNotAllowed,
    RateLimited,
    TooManySessions,
    BudgetSpent,
    AtCapacity,
    RecordUnavailable,
    ReplicaUnavailable,
    KalturaCredentialsRejected,
    *UPSTREAM,
)

router = APIRouter(prefix="/api", tags=["Visitor"], generate_unique_id_function=operation_id)


@router.post(
    "/create-avatar-session",
    status_code=201,
    response_model=None,
    responses=_OPENED | problems(InvalidRequest, Unauthenticated, TicketNotFound, *_CREATE),
)
async def create_avatar_session(
    response: Response,
    asking: SessionRequestDep,
    opened_reader: OpenedReaderDep,
    idempotency_key: CreateKey = None,
    options: CreateBody | None = None,
) -> CreatedSession | PlaceInLine:
    """Open a session for this visitor, or for the service whose token is sent.

    When every session is taken, the answer is 202 and a place in line.
    """
    options = options or CreateBody()
    chosen = SessionOptions(options.avatar_id, options.voice_id)
    opened = await asking.open(chosen, options.ticket, idempotency_key)
    if isinstance(opened, QueuePosition):
        return _in_line(response, opened)
    return await opened_reader.told(opened)


@router.get(
    "/create-avatar-session",
    status_code=201,
    response_model=None,
    responses=_OPENED | problems(InvalidRequest, Unauthenticated, *_CREATE),
)
async def create_default_avatar_session(
    request: Request,
    response: Response,
    asking: SessionRequestDep,
    opened_reader: OpenedReaderDep,
    idempotency_key: CreateKey = None,
) -> CreatedSession | PlaceInLine:
    """Open a session with the defaults; only for `fetch` of the broker's own pages and servers."""
    if not is_fetch_of_own_page(request.headers):
        raise CrossSiteRequest
    return await create_avatar_session(response, asking, opened_reader, idempotency_key)


@router.get("/waiting-room/{ticket}", responses=problems(InvalidRequest, TicketNotFound))
async def get_place_in_line(
    ticket: TicketPath,
    admission: AdmissionDep,
    wait: Annotated[
        int,
        Query(ge=0, le=MAX_WAIT_SECONDS, description="Answer when it changes, or after so long"),
    ] = 0,
) -> PlaceInLine:
    """A place in line; it is lost when its visitor does not ask for 45 seconds."""
    return PlaceInLine.of(await admission.place(ticket, wait))


@router.post("/waiting-room/{ticket}/leave", responses=problems(InvalidRequest, CrossSiteRequest))
async def leave_line(ticket: TicketPath, admission: AdmissionDep) -> Done:
    """Give up a place in line; giving it up again changes nothing."""
    await admission.leave_line(ticket)
    return Done()


def _in_line(response: Response, waiting: QueuePosition) -> PlaceInLine:
    response.status_code = 202
    response.headers["Location"] = f"{router.prefix}/waiting-room/{waiting.ticket_id}"
    response.headers["Retry-After"] = str(ASK_AGAIN_SECONDS)
    return PlaceInLine.of(waiting)
