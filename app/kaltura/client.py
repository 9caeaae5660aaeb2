"""The client of Kaltura's Avatar Control API."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import httpx
import stamina
from pydantic import SecretStr, ValidationError

from app.kaltura import errors
from app.kaltura.breaker import Breaker
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
from app.kaltura.credentials import KsSource
from app.kaltura.transport import read_bounded, was_never_sent

REPEATABLE: Final = frozenset({Operation.INTERRUPT, Operation.KEEP_ALIVE, Operation.END})
"""What may be sent again when its fate is unknown: doing it twice is doing it once (1.6).

Not create (it may have opened a session that costs money), not init-client (a second one opens
a second media resource, 1.3), not say-text or say-audio (it would be said twice, 1.5).
"""

Answer = TypeVar("Answer", bound=WireModel)

_JSON: Final = {"Content-Type": "application/json"}
_SPEECH: Final = frozenset({Operation.SAY_TEXT, Operation.SAY_AUDIO})
_SESSION_OVER: Final = frozenset({401, 404, 410})
_KS_EXCEPTIONS: Final = frozenset(
    {"INVALID_KS", "EXPIRED_KS", "MISSING_KS", "SERVICE_FORBIDDEN", "ACTION_BLOCKED"}
)


@dataclass(frozen=True)
class SessionAccess:
    """What controls one session at Kaltura: its id, its JWT, and where it is.

    `base_url` is None where the client's own is meant; a session that was opened at another
    address is ended there.
    """

    session_id: str
    token: SecretStr
    base_url: str | None = None


@dataclass(frozen=True)
class Recording:
    """Sound to be said; `duration_seconds` steers the mouth, Kaltura does not measure it (1.5)."""

    audio: bytes
    media_type: str
    duration_seconds: float


class KalturaClient:
    """One method an operation; each returns the answer or raises a `KalturaError`.

    `timeout_seconds` bounds one answer as a whole, its body included. Operations in
    `REPEATABLE` are tried up to three times on lost connections and 502, 503, 504. While Kaltura
    is down nothing but an end is sent (`Breaker`); `monotonic` gives the seconds for that.
    """

    def __init__(
        self,
        *,
        base_url: str,
        ks_source: KsSource,
        transport: httpx.AsyncBaseTransport,
        timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._ks_source = ks_source
        self._transport = transport
        self._timeout_seconds = timeout_seconds
        self._breaker = Breaker(monotonic)

    async def create(self, wish: CreateRequest) -> Created:
        """Opens a session: sent once, whatever happens to the answer."""
        ks = await self._ks_source.ks()
        request = self._request(
            f"{self._base_url}/{Operation.CREATE}",
            {"Authorization": f"KS {ks.get_secret_value()}", **_JSON},
            content=_json_bytes(wish),
        )
        return await self._once(Operation.CREATE, request, Created)

    async def init_client(self, access: SessionAccess) -> ClientInit:
        """Where the session's media is; call it once a session (1.3)."""
        return await self._control(Operation.INIT_CLIENT, access, ClientInit)

    async def say_text(self, access: SessionAccess, said: SayTextRequest) -> None:
        """Says a text."""
        await self._control(Operation.SAY_TEXT, access, Acknowledged, content=_json_bytes(said))

    async def say_audio(self, access: SessionAccess, recording: Recording, turn_id: TurnId) -> None:
        """Says a recording."""
        request = self._request(
            self._url(Operation.SAY_AUDIO, access),
            self._bearer(access),
            data={"turnId": turn_id, "duration": f"{recording.duration_seconds:.3f}"},
            files={"audio": ("audio", recording.audio, recording.media_type)},
        )
        await request.aread()
        await self._once(Operation.SAY_AUDIO, request, Acknowledged)

    async def interrupt(self, access: SessionAccess) -> None:
        """Stops speech; harmless when nothing is being said."""
        await self._control(Operation.INTERRUPT, access, Acknowledged)

    async def keep_alive(self, access: SessionAccess) -> None:
        """Tells Kaltura that the session is still watched."""
        await self._control(Operation.KEEP_ALIVE, access, Acknowledged)

    async def end(self, access: SessionAccess) -> None:
        """Ends the session; one that is already gone counts as ended (D7)."""
        try:
            await self._control(Operation.END, access, Acknowledged)
        except errors.SessionGoneError:
            return

    async def aclose(self) -> None:
        """Closes the pooled connections."""
        await self._transport.aclose()

    async def _control(
        self,
        operation: Operation,
        access: SessionAccess,
        answer: type[Answer],
        content: bytes = b"{}",
    ) -> Answer:
        request = self._request(
            self._url(operation, access), self._bearer(access) | _JSON, content=content
        )
        if operation not in REPEATABLE:
            return await self._once(operation, request, answer)
        async for attempt in stamina.retry_context(
            on=_is_worth_repeating,
            attempts=3,
            timeout=self._timeout_seconds,
            wait_initial=0.1,
            wait_max=1.0,
            wait_jitter=0.2,
        ):
            with attempt:
                return await self._once(operation, request, answer)
        raise AssertionError  # pragma: no cover - the loop above returns or raises

    async def _once(
        self, operation: Operation, request: httpx.Request, answer: type[Answer]
    ) -> Answer:
        return await self._breaker.guard(
            operation, lambda: self._exchange(operation, request, answer)
        )

    async def _exchange(
        self, operation: Operation, request: httpx.Request, answer: type[Answer]
    ) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._transport.handle_async_request(request)
                body = await read_bounded(response)
        except TimeoutError as error:
            raise errors.TimedOutError(operation) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            if was_never_sent(error):
                raise errors.NotConnectedError(operation) from error
            raise errors.LostAnswerError(operation) from error
        return _understood(operation, response, body, answer)

    def _url(self, operation: Operation, access: SessionAccess) -> str:
        return f"{access.base_url or self._base_url}/{access.session_id}/{operation}"

    @staticmethod
    def _bearer(access: SessionAccess) -> dict[str, str]:
        return {"Authorization": f"Bearer {access.token.get_secret_value()}"}

    @staticmethod
    def _request(url: str, headers: Mapping[str, str], **body: Any) -> httpx.Request:
        # "identity": a compressed answer could be small on the wire and huge in memory.
        fixed = {"Accept": "application/json", "Accept-Encoding": "identity"}
        return httpx.Request("POST", url, headers={**fixed, **headers}, **body)


def _json_bytes(model: WireModel) -> bytes:
    return model.model_dump_json(exclude_none=True).encode()


def _is_worth_repeating(error: Exception) -> bool:
    if isinstance(error, errors.ServerFailedError):
        return error.status in {502, 503, 504}
    return isinstance(error, errors.NotConnectedError | errors.LostAnswerError)


def _understood(
    operation: Operation, response: httpx.Response, body: bytes | None, answer: type[Answer]
) -> Answer:
    """The answer as its model; success only as the reference's D11 has it."""
    status = response.status_code
    refusal = _refusal(operation, status, response.headers)
    if refusal is not None:
        raise refusal
    if body is None:
        raise errors.BrokenAnswerError(operation, status)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.BrokenAnswerError(operation, status) from error
    if not isinstance(content, dict):
        raise errors.BrokenAnswerError(operation, status)
    if content.get("objectType") == "KalturaAPIException":
        code = content.get("code")
        known = operation is Operation.CREATE and isinstance(code, str) and code in _KS_EXCEPTIONS
        raise (errors.CredentialsRejectedError if known else errors.RejectedError)(
            operation, status
        )
    if content.get("success") is False:
        raise errors.RejectedError(operation, status)
    try:
        return answer.model_validate({**content, "success": True})
    except ValidationError:
        # Not chained: pydantic's error quotes the answer, and the answer may hold a token.
        raise errors.BrokenAnswerError(operation, status) from None


def _refusal(
    operation: Operation, status: int, headers: httpx.Headers
) -> errors.KalturaError | None:
    if httpx.codes.is_success(status):
        return None
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return errors.BusyError(operation, _seconds(headers.get("Retry-After")))
    if httpx.codes.is_server_error(status):
        is_speech = operation in _SPEECH and status == httpx.codes.SERVICE_UNAVAILABLE
        return (errors.SpeechFailedError if is_speech else errors.ServerFailedError)(
            operation, status
        )
    if operation is Operation.CREATE:
        if status in {401, 403}:
            return errors.CredentialsRejectedError(operation, status)
    elif status in _SESSION_OVER:
        return errors.SessionGoneError(operation, status)
    return errors.RejectedError(operation, status)


def _seconds(retry_after: str | None) -> int | None:
    """Whole seconds of a Retry-After, at most an hour; its rarer date form is not read."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(int(retry_after[:9]), 3600)
