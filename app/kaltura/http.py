"""One call and its answer: the JSON of a success, or a typed error.

A parser's error quotes what it read, which may be a secret: it is swallowed before ours is raised,
so that it is not even its context.
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

from app.kaltura import errors
from app.kaltura.observation import Exchange, Observer, no_observer, watched
from app.kaltura.transport import read_bounded, was_never_sent

Refusals = Mapping[int, type[errors.KalturaError]]
"""What a status means to one kind of call, where it means more than that Kaltura won't or can't."""

CREDENTIALS_REFUSED: Final[Refusals] = dict.fromkeys((401, 403), errors.CredentialsRejectedError)
SESSION_OVER: Final[Refusals] = dict.fromkeys((401, 404, 410), errors.SessionGoneError)
SPEECH_REFUSED: Final[Refusals] = {**SESSION_OVER, 503: errors.SpeechFailedError}

Model = TypeVar("Model", bound=BaseModel)


class Reply(NamedTuple):
    """A successful answer."""

    status: int
    content: Any

    @property
    def exception_code(self) -> str | None:
        """The code of the exception that Kaltura sends as a success (2.6); None when it is none."""
        if not isinstance(self.content, dict):
            return None
        if self.content.get("objectType") != "KalturaAPIException":
            return None
        return str(self.content.get("code"))


@dataclass(frozen=True)
class HttpClient:
    """Sends requests; `timeout_seconds` bounds one answer as a whole, its body included."""

    transport: httpx.AsyncBaseTransport
    timeout_seconds: float
    observer: Observer = no_observer

    @contextmanager
    def exchange(self, operation: StrEnum, request: httpx.Request) -> Iterator[Exchange]:
        """One request, until it is known what its answer means; see `watched`."""
        exchange = Exchange(operation, request)
        with watched(exchange, self.observer):
            yield exchange

    async def ask(self, exchange: Exchange, refusals: Refusals) -> Reply:
        """The answer's JSON, never None; raises a `KalturaError` for whatever is not a success."""
        operation = exchange.operation
        try:
            async with asyncio.timeout(self.timeout_seconds):
                response = await self.transport.handle_async_request(exchange.request)
                exchange.answered(response)
                body = await read_bounded(response)
        except TimeoutError as error:
            raise errors.TimedOutError(operation) from error
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            if was_never_sent(error):
                raise errors.NotConnectedError(operation) from error
            raise errors.LostAnswerError(operation) from error
        if not response.is_success:
            raise _refusal(operation, response, refusals)
        content = None if body is None else _parsed(body)
        if content is None:
            raise errors.BrokenAnswerError(operation, response.status_code)
        return Reply(response.status_code, content)


def post(url: str, headers: Mapping[str, str], **body: Any) -> httpx.Request:
    """A request as every call of Kaltura is made."""
    # "identity": a compressed answer could be small on the wire and huge in memory.
    fixed = {"Accept": "application/json", "Accept-Encoding": "identity"}
    return httpx.Request("POST", url, headers={**fixed, **headers}, **body)


def understood(model: type[Model], content: object) -> Model | None:
    """`content` as a model, or None when it is not one."""
    try:
        return model.model_validate(content)
    except ValidationError:
        return None


def _parsed(body: bytes) -> Any:
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
    otherwise = errors.ServerFailedError if failed else errors.RejectedError
    return refusals.get(status, otherwise)(operation, status)


def _seconds(retry_after: str | None) -> int | None:
    """Whole seconds of a Retry-After, at most an hour; its rarer date form is not read."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(int(retry_after[:9]), 3600)
