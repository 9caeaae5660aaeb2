"""The checks that need an avatar session: each control, the media and the voice."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pydantic import SecretStr

from app.config.settings import Settings
from app.doctor.checks import CheckFailed, CheckResult, CheckRunner, Verdict
from app.doctor.connectivity import check_connection
from app.kaltura import errors
from app.kaltura.client import KalturaClient, Recording, SessionAccess
from app.kaltura.contract import Created, CreateRequest, Operation, SayTextRequest
from app.kaltura.minting import MintCall
from app.kaltura.transport import open_transport
from app.kaltura.url_safety import is_safe_media_url
from app.sessions.catalog.offer import offer_of
from app.sessions.clock import Clock
from app.sessions.lifecycle.options import SessionOptions, create_request
from app.sessions.speech.assembly import synthesis_of
from app.sessions.speech.text.validation import new_turn_id
from app.sessions.speech.voice.http_services import ServiceFailed

Result = TypeVar("Result")
Control = Callable[[SessionAccess], Awaitable[None]]
_LATER: Final = "Try again; if it lasts, ask Kaltura."


class SessionCheck:
    """Opens one session, tries each control in it, and ends it in any case."""

    def __init__(
        self, settings: Settings, client: KalturaClient, checks: CheckRunner, clock: Clock
    ) -> None:
        self._settings = settings
        self._client = client
        self._checks = checks
        self._clock = clock
        self._access: SessionAccess | None = None
        self._whep_url = ""
        self._voice_refused = False
        self._recording: Recording | None = None

    async def run(self) -> None:
        """Run every step; those that depend on a failed one are reported as not tried."""
        try:
            await self._checks.run(Operation.CREATE, self._open, needs=("Kaltura", "KS"))
            await self._try_controls()
        finally:
            if self._access is not None:
                await asyncio.shield(self._checks.run(Operation.END, self._end))
            else:
                await self._checks.run(Operation.END, self._end, needs=(Operation.CREATE,))

    async def _try_controls(self) -> None:
        check = self._checks.run
        if self._voice_refused:
            self._checks.add(
                CheckResult(
                    "voice",
                    Verdict.WRONG,
                    "Kaltura takes the avatar, but not with this voice",
                    "AVATAR_VOICE_ID is no voice of this account, or AVATAR_VOICE_MODEL_ID not one "
                    "of its models.",
                )
            )
        opened = (Operation.CREATE,)
        await check(Operation.INIT_CLIENT, self._init_client, needs=opened)
        await check("WHEP", self._reach_media, needs=(Operation.INIT_CLIENT,))
        await check(
            Operation.KEEP_ALIVE, self._control_check(self._client.keep_alive), needs=opened
        )
        can_speak = ("voice",) if self._voice_refused else opened
        if self._settings.speech != "audio":
            await check(Operation.SAY_TEXT, self._say, needs=can_speak)
        if self._settings.speech != "text" and self._settings.tts_base_url is not None:
            await check("other voice", self._synthesise)
            await check(Operation.SAY_AUDIO, self._say_recording, needs=(*opened, "other voice"))
        await check(Operation.INTERRUPT, self._control_check(self._client.interrupt), needs=opened)

    async def _open(self) -> str:
        options = create_request(self._settings, SessionOptions(), offer_of(self._settings))
        try:
            created = await self._create(options)
        except errors.RejectedError as refused:
            if options.voice_config is None or refused.status == 404:  # noqa: PLR2004 - no such path
                raise self._failure(refused) from refused
            try:
                created = await self._create(options.model_copy(update={"voice_config": None}))
            except errors.KalturaError:
                raise self._failure(refused) from refused
            self._voice_refused = True
        except errors.KalturaError as error:
            raise self._failure(error) from error
        self._access = SessionAccess(created.session_id, SecretStr(created.token))
        return "a session is open"

    async def _create(self, options: CreateRequest) -> Created:
        """Create a session, to the end even when cancelled, so that it can be ended."""
        creating = asyncio.create_task(self._client.create(options))
        try:
            return await asyncio.shield(creating)
        except asyncio.CancelledError:
            created = await creating
            self._access = SessionAccess(created.session_id, SecretStr(created.token))
            raise

    async def _init_client(self) -> str:
        media = await self._ask(self._client.init_client)
        local = self._settings.upstream_is_local
        if not is_safe_media_url(media.whep_url, allow_private=local):
            raise CheckFailed(
                "Kaltura names a media address that is not https on a public host",
                "No browser is sent there. Ask Kaltura why.",
            )
        self._whep_url = media.whep_url
        return "Kaltura says where the media is"

    async def _reach_media(self) -> str:
        """Only connect to the media server: an offer would take the session's one viewer (3)."""
        return await check_connection(self._whep_url, "Kaltura's media address", self._clock)

    async def _say(self) -> str:
        said = SayTextRequest(text="Hello.", turn_id=new_turn_id())
        try:
            await self._ask(lambda access: self._client.say_text(access, said))
        except CheckFailed as failure:
            failed = isinstance(failure.__cause__, errors.SpeechFailedError)
            if not failed or self._settings.tts_base_url is None or self._settings.speech != "auto":
                raise
            failure.verdict = Verdict.WARNING
            failure.fix = "TTS_BASE_URL says texts meanwhile (SPEECH=auto)."
            raise
        return "it was said"

    async def _synthesise(self) -> str:
        """Have the service at TTS_BASE_URL synthesise a text."""
        async with contextlib.aclosing(open_transport()) as transport:
            synthesis = synthesis_of(self._settings, transport)
            assert synthesis is not None  # noqa: S101 - there is a TTS_BASE_URL
            try:
                self._recording = await synthesis.speech("Hello.")
            except ServiceFailed as failure:
                raise CheckFailed(
                    f"TTS_BASE_URL made no speech: {failure}",
                    "Look at TTS_BASE_URL, TTS_API_KEY, TTS_MODEL and TTS_VOICE.",
                ) from failure
        return f"{self._recording.duration_seconds:.1f} s of speech from TTS_BASE_URL"

    async def _say_recording(self) -> str:
        recording = self._recording
        assert recording is not None  # noqa: S101 - it needs the other voice
        await self._ask(lambda access: self._client.say_audio(access, recording, new_turn_id()))
        return "it was said"

    async def _end(self) -> str:
        await self._ask(self._client.end)
        return "the session is over"

    def _control_check(self, call: Control) -> Callable[[], Awaitable[str]]:
        async def check() -> str:
            await self._ask(call)
            return "done"

        return check

    async def _ask(self, call: Callable[[SessionAccess], Awaitable[Result]]) -> Result:
        assert self._access is not None  # noqa: S101 - each of them needs create
        try:
            return await call(self._access)
        except errors.KalturaError as error:
            raise self._failure(error) from error

    def _failure(self, error: errors.KalturaError) -> CheckFailed:
        return kaltura_failure(error, self._settings)


def kaltura_failure(error: errors.KalturaError, settings: Settings) -> CheckFailed:  # noqa: PLR0911 - a table
    """The failed check for an error of Kaltura, with the fix for the operator."""
    status = "" if error.status is None else f" (status {error.status})"
    match error:
        case errors.CredentialsRejectedError():
            return CheckFailed(
                f"Kaltura refused the broker's credentials{status}", _ks_fix(settings)
            )
        case errors.SpeechFailedError():
            return CheckFailed(f"Kaltura's text-to-speech refused{status}", _voice_fix(settings))
        case errors.TimedOutError():
            return CheckFailed(
                f"no whole answer within {settings.upstream_timeout_seconds} s",
                f"UPSTREAM_TIMEOUT_SECONDS sets how long is waited. {_LATER}",
            )
        case errors.BusyError():
            return CheckFailed(
                f"Kaltura is busy, or has as many sessions open as you may have{status}",
                "End some, or ask Kaltura for a higher limit.",
            )
        case errors.ServerFailedError():
            return CheckFailed(f"Kaltura failed{status}", _LATER)
        case errors.SessionGoneError():
            return CheckFailed(f"Kaltura says that the session is over{status}", _LATER)
        case errors.RejectedError() if error.operation is Operation.CREATE:
            return CheckFailed(
                f"Kaltura opens no session with this avatar{status}",
                "AVATAR_ID is no avatar of this account, or AVATAR_BASE_URL no Control API.",
            )
        case errors.RejectedError() | errors.BrokenAnswerError():
            return CheckFailed(
                f"an answer that can't be used{status}",
                f"Is {_address(error)} Kaltura's own, and nothing in between? {_LATER}",
            )
        case _:
            return CheckFailed("the connection broke", f"Is {_address(error)} right? {_LATER}")


def _address(error: errors.KalturaError) -> str:
    return "KALTURA_API_URL" if isinstance(error.operation, MintCall) else "AVATAR_BASE_URL"


def _ks_fix(settings: Settings) -> str:
    if settings.avatar_ks is not None:
        return (
            "AVATAR_KS has expired, is of another account, or is not an admin KS (type 2): set a "
            "new one."
        )
    if settings.kaltura_app_token is not None:
        return (
            "KALTURA_PARTNER_ID, KALTURA_APP_TOKEN_ID or KALTURA_APP_TOKEN is wrong, or the app "
            "token is revoked or not of session type 2 (admin)."
        )
    return "KALTURA_PARTNER_ID or KALTURA_ADMIN_SECRET is wrong."


def _voice_fix(settings: Settings) -> str:
    if settings.avatar_voice_id is None:
        return "Set AVATAR_VOICE_ID: without a voice Kaltura has been seen to refuse every text."
    return (
        "AVATAR_VOICE_ID or AVATAR_VOICE_MODEL_ID may be wrong for this account. If Kaltura's "
        "voice stays away, TTS_BASE_URL names another (SPEECH)."
    )
