"""The visitor surface."""

from typing import Annotated, Final

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from app.kaltura.contract import MIRROR_PATH, TurnId
from app.problems import (
    AtCapacity,
    ControlNotAllowed,
    CrossSiteRequest,
    InvalidRequest,
    KalturaBusy,
    KalturaCredentialsRejected,
    KalturaFailed,
    KalturaTimeout,
    KalturaUnavailable,
    QueueFull,
    SessionEnded,
    SessionNotFound,
    SpeechUnavailable,
    TooManySessions,
    Unauthenticated,
)
from app.sessions.opening import OpenedSession
from app.sessions.wishes import Wish
from app.settings import Settings
from app.web.deps import (
    BrokerDep,
    ClockDep,
    OwnOriginDep,
    OwnSession,
    SettingsDep,
    TokenDep,
    VisitorDep,
)
from app.web.handover import handed_over
from app.web.openapi import operation_id, problems
from app.web.origins import is_fetch_of_own_page
from app.web.shapes import (
    CreatedSession,
    CreateWish,
    Done,
    Media,
    SessionList,
    SessionState,
    SpeakRequest,
    Spoken,
    moment,
)
from app.web.visitors import welcome

_UPSTREAM: Final = (KalturaBusy, KalturaTimeout, KalturaFailed, KalturaUnavailable)
_CREATE: Final = (
    CrossSiteRequest,
    ControlNotAllowed,
    TooManySessions,
    AtCapacity,
    KalturaCredentialsRejected,
    *_UPSTREAM,
)
_OWN: Final = (Unauthenticated, SessionNotFound)
_CONTROL: Final = (
    InvalidRequest,
    CrossSiteRequest,
    *_OWN,
    ControlNotAllowed,
    SessionEnded,
    QueueFull,
    *_UPSTREAM,
)

router = APIRouter(prefix="/api", tags=["Visitor"], generate_unique_id_function=operation_id)


@router.post(
    "/create-avatar-session",
    status_code=201,
    responses=problems(InvalidRequest, Unauthenticated, *_CREATE),
)
async def create_avatar_session(
    request: Request,
    response: Response,
    token: TokenDep,
    broker: BrokerDep,
    settings: SettingsDep,
    origin: OwnOriginDep,
    wish: CreateWish | None = None,
) -> CreatedSession:
    """Open a session for this visitor, or for the service whose token is sent."""
    chosen = Wish(wish.avatar_id, wish.voice_id) if wish else Wish()
    if token is not None:
        opened = await broker.open_for_service(token, chosen)
    else:
        opened = await broker.open(welcome(request, response, settings), chosen)
    return _created(settings, origin, await handed_over(request, broker, opened))


@router.get(
    "/create-avatar-session", status_code=201, responses=problems(Unauthenticated, *_CREATE)
)
async def create_default_avatar_session(
    request: Request,
    response: Response,
    token: TokenDep,
    broker: BrokerDep,
    settings: SettingsDep,
    origin: OwnOriginDep,
) -> CreatedSession:
    """Open a session with the defaults; only for `fetch` of the broker's own pages and servers."""
    if not is_fetch_of_own_page(request.headers):
        raise CrossSiteRequest
    return await create_avatar_session(request, response, token, broker, settings, origin)


@router.get("/avatar-sessions")
async def list_avatar_sessions(
    visitor: VisitorDep, broker: BrokerDep, clock: ClockDep
) -> SessionList:
    """The visitor's own live sessions, to resume after a reload."""
    sessions = await broker.owned_by(visitor) if visitor else []
    return SessionList(sessions=[SessionState.of(session, clock()) for session in sessions])


@router.get("/avatar-sessions/{sessionId}", responses=problems(*_OWN))
async def get_avatar_session(held: OwnSession, clock: ClockDep) -> SessionState:
    """A session's state, and the seconds it has left."""
    return SessionState.of(held.session, clock())


@router.get(
    "/avatar-sessions/{sessionId}/media",
    responses=problems(*_OWN, ControlNotAllowed, SessionEnded),
)
async def get_media(held: OwnSession, broker: BrokerDep) -> Media:
    """Where the sound and the picture are, for players that need no token."""
    media = await broker.media(held)
    return Media(whep_url=media.whep_url, turn=media.turn)


@router.post("/avatar-sessions/{sessionId}/speak", responses=problems(*_CONTROL, SpeechUnavailable))
async def speak(held: OwnSession, body: SpeakRequest, broker: BrokerDep) -> Spoken:
    """Say a text."""
    turn_id = await broker.say_text(held, body.text, body.turn_id, is_final=body.is_final)
    return Spoken(turn_id=turn_id)


@router.post(
    "/avatar-sessions/{sessionId}/speak-audio", responses=problems(*_CONTROL, SpeechUnavailable)
)
async def speak_audio(
    held: OwnSession,
    broker: BrokerDep,
    audio: Annotated[UploadFile, File(description="An MP3 or WAV recording")],
    duration: Annotated[float | None, Form(description="Seconds; measured when left out")] = None,
    turn_id: Annotated[TurnId | None, Form(alias="turnId")] = None,
) -> Spoken:
    """Say a recording."""
    turn_id = await broker.say_audio(held, await audio.read(), duration, turn_id)
    return Spoken(turn_id=turn_id)


@router.post("/avatar-sessions/{sessionId}/interrupt", responses=problems(*_CONTROL))
async def interrupt(held: OwnSession, broker: BrokerDep) -> Done:
    """Stop speech; harmless when nothing is being said."""
    await broker.interrupt(held)
    return Done()


@router.post("/avatar-sessions/{sessionId}/keep-alive", responses=problems(*_CONTROL))
async def keep_alive(held: OwnSession, broker: BrokerDep) -> Done:
    """Say that the session is still watched; every 10 seconds will do."""
    await broker.keep_alive(held)
    return Done()


@router.post("/avatar-sessions/{sessionId}/end", responses=problems(*_CONTROL))
async def end(held: OwnSession, broker: BrokerDep) -> Done:
    """End the session; ending it again changes nothing."""
    await broker.end(held)
    return Done()


def _created(settings: Settings, origin: str, opened: OpenedSession) -> CreatedSession:
    return CreatedSession(
        session_id=opened.session.session_id,
        token=opened.token.get_secret_value(),
        token_mode=settings.avatar_token_mode,
        base_url=f"{origin}{MIRROR_PATH}" if settings.sealed else settings.avatar_base_url,
        expires_at=moment(opened.session.expires_at),
    )
