"""The client of Kaltura's Avatar Control API."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import httpx
import stamina
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.breaker import CircuitBreaker
from app.kaltura.catalog import CatalogClient
from app.kaltura.contract import (
    Acknowledged,
    ClientInit,
    Created,
    CreateRequest,
    Operation,
    SayTextRequest,
    TurnId,
    WireModel,
)
from app.kaltura.http import (
    CREDENTIALS_REFUSED,
    KS_EXCEPTIONS,
    SESSION_OVER,
    SPEECH_REFUSED,
    HttpClient,
    Refusals,
    Reply,
    parse_model,
    post,
    post_json,
)
from app.kaltura.ks_sources import KsSource
from app.kaltura.late_responses import LATE_SECONDS, LateResponses
from app.kaltura.observation import Observer, no_observer

REPEATABLE: Final = frozenset({Operation.INTERRUPT, Operation.KEEP_ALIVE, Operation.END})
"""The idempotent operations, which are sent again when their outcome is unknown (1.6).

Not create (it may have opened a session that costs money), not init-client (a second one opens
a second media resource, 1.3), not say-text or say-audio (it would be said twice, 1.5).
"""

NOT_CARRIED_OUT: Final = (
    errors.NotConnectedError,
    errors.CircuitOpenError,
    errors.BusyError,
    errors.SpeechFailedError,
)
"""Errors after which any operation may be sent again: Kaltura has certainly not carried it out.

A lost answer, a timeout or another 5xx is not among them: the operation may have been carried out.
"""

PARSED_URLS: Final = 20_000
"""URLs that are kept parsed, at most 13 MB: two operations of 10,000 sessions.

A session is called many times, and parsing takes 10 us.
"""

Answer = TypeVar("Answer", bound=WireModel)
LateCreateHandler = Callable[[asyncio.Future[Created]], Coroutine[Any, Any, None]]
"""Takes care of a session that a create may still open; its argument is that create's result."""


@dataclass(frozen=True)
class SessionAccess:
    """The credentials for one session at Kaltura: its id, its JWT and its Control API's address.

    `base_url` is None for the client's own address. A session that was opened at another address,
    before AVATAR_BASE_URL changed, is ended there.
    """

    session_id: str
    token: SecretStr
    base_url: str | None = None


@dataclass(frozen=True)
class Recording:
    """A recording for say-audio.

    Kaltura moves the mouth for `duration_seconds`; it does not measure the audio (1.5).
    """

    audio: bytes
    media_type: str
    duration_seconds: float


class KalturaClient:
    """The Control API, one method an operation; each returns the answer or raises `KalturaError`.

    `timeout_seconds` bounds one answer as a whole, its body included. Operations in
    `REPEATABLE` are tried up to three times on lost connections and 502, 503, 504, and not again
    when this time has passed since the first by `monotonic`. While Kaltura is down only an end is
    sent (see `CircuitBreaker`, which uses it too). `observer` sees each request that is sent.
    """

    def __init__(
        self,
        *,
        base_url: str,
        ks_source: KsSource,
        transport: httpx.AsyncBaseTransport,
        timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        observer: Observer = no_observer,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._ks_source = ks_source
        self._http = HttpClient(transport, timeout_seconds, observer)
        self.catalog = CatalogClient(base_url, ks_source, self._http)
        self._late_http = HttpClient(transport, timeout_seconds + LATE_SECONDS, observer)
        self._late = LateResponses[Created](timeout_seconds)
        self._monotonic = monotonic
        self._breaker = CircuitBreaker(monotonic)
        self._parsed = lru_cache(maxsize=PARSED_URLS)(httpx.URL)

    @property
    def breaker_state(self) -> str:
        """The state of the circuit breaker, one of `breaker.STATES`."""
        return self._breaker.state

    @property
    def is_refusing(self) -> bool:
        """Whether the circuit breaker refuses calls just now, because Kaltura is down."""
        return self._breaker.is_refusing

    @property
    def late_creates(self) -> int:
        """How many creates have timed out whose answer is still awaited or being handled."""
        return len(self._late)

    @property
    def ks_renewals(self) -> Mapping[str, int]:
        """How often making a KS has succeeded (`MADE`) and failed (`FAILED`)."""
        return self._ks_source.renewals

    async def create(
        self, options: CreateRequest, handle_late: LateCreateHandler | None = None
    ) -> Created:
        """Open a session; the request is sent once, even when its answer is lost.

        Only when Kaltura refused the KS, and so opened nothing, is the request sent once more,
        with another KS. When `TimedOutError` is raised, `handle_late` gets the late result: the
        answer, or a `KalturaError` after at most `LATE_SECONDS`.
        """
        ks = await self._ks_source.ks()
        try:
            return await self._create(options, ks, handle_late)
        except errors.CredentialsRejectedError:
            another = await self._ks_source.replace(ks)
            if another is None:
                raise
        return await self._create(options, another, handle_late)

    async def init_client(self, access: SessionAccess) -> ClientInit:
        """Ask where the session's media is; to be called once a session (1.3)."""
        return await self._control(Operation.INIT_CLIENT, access, ClientInit)

    async def say_text(self, access: SessionAccess, said: SayTextRequest) -> None:
        """Have the avatar say a text."""
        await self._control(Operation.SAY_TEXT, access, Acknowledged, content=_json_bytes(said))

    async def say_audio(self, access: SessionAccess, recording: Recording, turn_id: TurnId) -> None:
        """Have the avatar say a recording."""
        request = post(
            self._url(Operation.SAY_AUDIO, access),
            {"Authorization": self._bearer(access)},
            data={"turnId": turn_id, "duration": f"{recording.duration_seconds:.3f}"},
            files={"audio": ("audio", recording.audio, recording.media_type)},
        )
        await request.aread()
        await self._once(Operation.SAY_AUDIO, request, Acknowledged)

    async def interrupt(self, access: SessionAccess) -> None:
        """Stop the avatar's speech; harmless when nothing is being said."""
        await self._control(Operation.INTERRUPT, access, Acknowledged)

    async def keep_alive(self, access: SessionAccess) -> None:
        """Tell Kaltura that the session is still in use."""
        await self._control(Operation.KEEP_ALIVE, access, Acknowledged)

    async def end(self, access: SessionAccess) -> None:
        """End the session; one that Kaltura no longer has counts as ended (D7)."""
        try:
            await self._control(Operation.END, access, Acknowledged)
        except errors.SessionGoneError:
            return

    async def obtain_ks(self) -> None:
        """Obtain the KS that create needs; raises a `KalturaError` when none can be had."""
        await self._ks_source.ks()

    async def aclose(self) -> None:
        """Stop awaiting late answers and renewing the KS, and close the pooled connections."""
        await self._late.aclose()
        await self._ks_source.aclose()
        await self._http.transport.aclose()

    async def _create(
        self, options: CreateRequest, ks: SecretStr, handle_late: LateCreateHandler | None
    ) -> Created:
        url = self._parsed(f"{self._base_url}/{Operation.CREATE}")
        request = post_json(url, f"KS {ks.get_secret_value()}", _json_bytes(options))
        if handle_late is None:
            return await self._once(Operation.CREATE, request, Created)
        return await self._breaker.guard(
            Operation.CREATE,
            lambda: self._late.wait_for(
                Operation.CREATE,
                self._exchange(self._late_http, Operation.CREATE, request, Created),
                handle_late,
            ),
        )

    async def _control(
        self,
        operation: Operation,
        access: SessionAccess,
        answer: type[Answer],
        content: bytes = b"{}",
    ) -> Answer:
        url = self._parsed(self._url(operation, access))
        request = post_json(url, self._bearer(access), content)
        began = self._monotonic()
        try:
            return await self._once(operation, request, answer)
        except errors.KalturaError as error:
            left = began + self._http.timeout_seconds - self._monotonic()
            if operation not in REPEATABLE or left <= 0 or not _is_worth_repeating(error):
                raise
            failed = error
        return await self._repeat(operation, request, answer, failed, left)

    async def _repeat(
        self,
        operation: Operation,
        request: httpx.Request,
        answer: type[Answer],
        failed: errors.KalturaError,
        seconds: float,
    ) -> Answer:
        """Send a request up to two times again after a first attempt that has failed.

        It is sent within so many seconds. stamina is told of the first attempt alone when it is
        over, because its start takes 60 us.
        """
        async for attempt in stamina.retry_context(
            on=_is_worth_repeating,
            attempts=3,
            timeout=seconds,
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.2,
        ):
            with attempt:
                if attempt.num == 1:
                    raise failed
                return await self._once(operation, request, answer)
        raise AssertionError  # pragma: no cover - the loop above returns or raises

    async def _once(
        self, operation: Operation, request: httpx.Request, answer: type[Answer]
    ) -> Answer:
        return await self._breaker.guard(
            operation, lambda: self._exchange(self._http, operation, request, answer)
        )

    @staticmethod
    async def _exchange(
        http: HttpClient, operation: Operation, request: httpx.Request, answer: type[Answer]
    ) -> Answer:
        with http.exchange(operation, request) as exchange:
            reply = await http.send(exchange, _refusals(operation))
            return _success(operation, reply, answer)

    def _url(self, operation: Operation, access: SessionAccess) -> str:
        return f"{access.base_url or self._base_url}/{access.session_id}/{operation}"

    @staticmethod
    def _bearer(access: SessionAccess) -> str:
        return f"Bearer {access.token.get_secret_value()}"


def _json_bytes(model: WireModel) -> bytes:
    return model.model_dump_json(exclude_none=True).encode()


def _is_worth_repeating(error: Exception) -> bool:
    if isinstance(error, errors.ServerFailedError):
        return error.status in {502, 503, 504}
    return isinstance(error, errors.NotConnectedError | errors.LostAnswerError)


def _refusals(operation: Operation) -> Refusals:
    """The error that each refusing status means for this operation."""
    match operation:
        case Operation.CREATE:
            return CREDENTIALS_REFUSED
        case Operation.SAY_TEXT | Operation.SAY_AUDIO:
            return SPEECH_REFUSED
        case _:
            return SESSION_OVER


def _success(operation: Operation, reply: Reply, answer: type[Answer]) -> Answer:
    """The answer as its model; raises a `KalturaError` unless it is a success as D11 defines it."""
    if reply.exception_code is not None:
        known = operation is Operation.CREATE and reply.exception_code in KS_EXCEPTIONS
        raise (errors.CredentialsRejectedError if known else errors.RejectedError)(
            operation, reply.status
        )
    if not isinstance(reply.content, dict):
        raise errors.BrokenAnswerError(operation, reply.status)
    if reply.content.get("success") is False:
        raise errors.RejectedError(operation, reply.status)
    model = parse_model(answer, {**reply.content, "success": True})
    if model is None:
        raise errors.BrokenAnswerError(operation, reply.status)
    return model
