"""One HTTP call to Kaltura and its answer: the JSON of a success, or a typed error.

A JSON or model parser's exception quotes its input, which may be a secret. It is dropped before a
`KalturaError` is raised, so that it is not even that error's context.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp
import httpx
from pydantic import BaseModel, ValidationError

from app import __version__
from app.kaltura import errors
from app.kaltura.observation import Exchange, Observer, no_observer, observed
from app.kaltura.transport import MAX_ANSWER_BYTES, read_bounded, was_never_sent

Refusals = Mapping[int, type[errors.KalturaError]]
"""The error of each status that means a specific one; any other means a general error.

A general error is `ServerFailedError` for a 5xx, and `RejectedError` otherwise.
"""

CREDENTIALS_REFUSED: Final[Refusals] = dict.fromkeys((401, 403), errors.CredentialsRejectedError)
KS_EXCEPTIONS: Final = frozenset(
    {"INVALID_KS", "EXPIRED_KS", "MISSING_KS", "SERVICE_FORBIDDEN", "ACTION_BLOCKED"}
)
"""The codes of exceptions that refuse a KS."""

SESSION_OVER: Final[Refusals] = dict.fromkeys((401, 404, 410), errors.SessionGoneError)
SPEECH_REFUSED: Final[Refusals] = {**SESSION_OVER, 503: errors.SpeechFailedError}

_HEADERS: Final = {
    "User-Agent": f"avatar-broker/{__version__}",
    "Accept": "application/json",
    # A compressed answer could be small on the wire and huge in memory.
    "Accept-Encoding": "identity",
}

Model = TypeVar("Model", bound=BaseModel)


class Reply(NamedTuple):
    """The status and the parsed JSON of a 2xx answer."""

    status: int
    content: Any

    @property
    def exception_code(self) -> str | None:
        """The code of an exception that Kaltura sent with a 2xx status (2.6); None for others."""
        if not isinstance(self.content, dict):
            return None
        if self.content.get("objectType") != "KalturaAPIException":
            return None
        return str(self.content.get("code"))


@dataclass(frozen=True)
class HttpClient:
    """Sends requests to Kaltura; `timeout_seconds` bounds one answer as a whole, body included."""

    transport: httpx.AsyncBaseTransport
    timeout_seconds: float
    observer: Observer = no_observer

    @contextmanager
    def exchange(self, operation: StrEnum, request: httpx.Request) -> Iterator[Exchange]:
        """Observe one request while the block sends it and reads its answer; see `observed`."""
        exchange = Exchange(operation, request)
        with observed(exchange, self.observer):
            yield exchange

    async def send(
        self, exchange: Exchange, refusals: Refusals, at_most: int = MAX_ANSWER_BYTES
    ) -> Reply:
        """Send the request; the reply's content is never None. Raises a `KalturaError`."""
        status, body = await self.fetch(exchange, refusals, at_most)
        content = _parse_json(body)
        if content is None:
            raise errors.BrokenAnswerError(exchange.operation, status)
        return Reply(status, content)

    async def fetch(
        self, exchange: Exchange, refusals: Refusals, at_most: int
    ) -> tuple[int, bytes]:
        """Send the request; the status and body of a 2xx answer. Raises a `KalturaError`."""
        operation = exchange.operation
        try:
            async with asyncio.timeout(self.timeout_seconds):
                response = await self.transport.handle_async_request(exchange.request)
                exchange.answered(response)
                body = await read_bounded(response, at_most)
        except TimeoutError as error:
            raise errors.TimedOutError(operation) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            if was_never_sent(error):
                raise errors.NotConnectedError(operation) from error
            raise errors.LostAnswerError(operation) from error
        if not response.is_success:
            raise _refusal(operation, response, refusals)
        if body is None:
            raise errors.BrokenAnswerError(operation, response.status_code)
        return response.status_code, body


def get_picture(url: str) -> httpx.Request:
    """A GET request for a picture."""
    return httpx.Request("GET", url, headers={**_HEADERS, "Accept": "image/*"})


def post(url: str, headers: Mapping[str, str], **body: Any) -> httpx.Request:
    """A POST request with the headers that every call to Kaltura has."""
    return httpx.Request("POST", url, headers={**_HEADERS, **headers}, **body)


def post_json(url: httpx.URL, authorization: str, content: bytes) -> httpx.Request:
    """A POST request with a JSON body, and the headers that every call to Kaltura has.

    The URL is parsed, and every header given, which saves 13 us: httpx would parse the URL, and
    build the headers twice to complete them.
    """
    headers = {
        "Host": url.netloc.decode("ascii"),
        **_HEADERS,
        "Authorization": authorization,
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
    }
    request = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(content))
    request.read()
    return request


def parse_model(model: type[Model], content: object) -> Model | None:
    """`content` as an instance of `model`; None when it does not validate."""
    try:
        return model.model_validate(content)
    except ValidationError:
        return None


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _refusal(
    operation: StrEnum, response: httpx.Response, refusals: Refusals
) -> errors.KalturaError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return errors.BusyError(operation, _seconds(response.headers.get("Retry-After")))
    failed = httpx.codes.is_server_error(status)
    general = errors.ServerFailedError if failed else errors.RejectedError
    return refusals.get(status, general)(operation, status)


def _seconds(retry_after: str | None) -> int | None:
    """The seconds of a Retry-After header, at most 3600; None for its rarer form, a date."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(int(retry_after[:9]), 3600)
