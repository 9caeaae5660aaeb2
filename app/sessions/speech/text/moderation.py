"""Moderates texts: each speech hook sees a text before it is said, and may change or refuse it."""

import asyncio
import hmac
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

import httpx
import structlog
from pydantic import BaseModel, Field, SecretStr, StringConstraints, TypeAdapter, ValidationError

from app.problems import InvalidRequest, SpeechRefused
from app.sessions.speech.text.validation import JsonText, speakable
from app.sessions.speech.voice.http_services import ServiceFailed, post_bounded

HOOK_SECONDS: Final = 3.0
"""Seconds within which a speech hook must answer."""
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Largest answer of an HTTP speech hook, in bytes."""

HookRequest = dict[str, Any]
"""The hook's request: `{sessionId, visitor, text, turnId}`, in the form of the HTTP body."""

PythonHook = Callable[[HookRequest], Any]
"""A Python speech hook; returns the JSON answer of an HTTP hook, directly or as an awaitable."""

log = structlog.get_logger(__name__)


class Hook(Protocol):
    """A speech hook; returns a JSON answer, or raises any exception when it fails."""

    async def __call__(self, request: HookRequest) -> Any:
        """The hook's answer for a text."""


class _Allow(BaseModel):
    action: Literal["allow"]


class _Replace(BaseModel):
    action: Literal["replace"]
    text: JsonText


class _Refuse(BaseModel):
    action: Literal["refuse"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


_ANSWER: Final[TypeAdapter[_Allow | _Replace | _Refuse]] = TypeAdapter(
    Annotated[_Allow | _Replace | _Refuse, Field(discriminator="action")]
)


class HookFailed(Exception):  # noqa: N818 - `SPEECH_HOOK_FAILURE` decides what a failure means
    """Raised when a speech hook gave no usable answer."""


class SpeechHooks:
    """Asks the speech hooks one after the other; each sees the text as the one before left it."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        *,
        on_failure: Literal["allow", "refuse"],
        max_text_length: int,
    ) -> None:
        self._hooks = hooks
        self._on_failure = on_failure
        self._max_text_length = max_text_length

    def __bool__(self) -> bool:
        return bool(self._hooks)

    async def moderate(self, *, session_id: str, visitor: str, text: str, turn_id: str) -> str:
        """The text that may be said, as the hooks leave it; raises `SpeechRefused`."""
        for hook in self._hooks:
            request = {"sessionId": session_id, "visitor": visitor, "text": text, "turnId": turn_id}
            try:
                text = self._apply_answer(text, await _ask(hook, request))
            except HookFailed as failure:
                log.warning("speech hook failed", error=str(failure), then=self._on_failure)
                if self._on_failure == "refuse":
                    raise SpeechRefused(
                        "The text could not be checked, so it is not said."
                    ) from None
        return text

    def _apply_answer(self, text: str, answer: Any) -> str:
        try:
            parsed = _ANSWER.validate_python(answer)
        except ValidationError:
            raise HookFailed("an answer that is none of allow, replace and refuse") from None
        match parsed:
            case _Allow():
                return text
            case _Replace():
                try:
                    return speakable(parsed.text, self._max_text_length)
                except InvalidRequest:
                    # The hook rejected the original text, so it is not said even if
                    # `SPEECH_HOOK_FAILURE` is allow.
                    log.warning("speech hook replaced a text by one that can't be said")
                    raise SpeechRefused from None
            case _Refuse():
                raise SpeechRefused(_printable(parsed.reason) or None)


class HttpHook:
    """A speech hook over HTTP; each request is signed, so that the service can check its sender."""

    def __init__(
        self, url: str, secret: SecretStr | None, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._url = url
        self._secret = secret
        self._transport = transport

    async def __call__(self, request: HookRequest) -> Any:
        """Send a request to the service; return its JSON answer."""
        content = json.dumps(request, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._secret is not None:
            key = self._secret.get_secret_value().encode()
            headers["X-Signature"] = hmac.new(key, content, "sha256").hexdigest()
        body = await post_bounded(
            self._transport,
            self._url,
            headers=headers,
            content=content,
            seconds=HOOK_SECONDS,
            at_most=MAX_ANSWER_BYTES,
        )
        return json.loads(body)


def in_process(hook: PythonHook) -> Hook:
    """Wrap a Python function as a hook; a function that is not async runs in a thread."""

    async def call(request: HookRequest) -> Any:
        if inspect.iscoroutinefunction(hook):
            return await hook(request)
        answer = await asyncio.to_thread(hook, request)
        return await answer if isinstance(answer, Awaitable) else answer

    return call


async def _ask(hook: Hook, request: HookRequest) -> Any:
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            return await hook(request)
    except ServiceFailed as failure:
        raise HookFailed(str(failure)) from None
    except Exception as error:
        raise HookFailed(type(error).__name__) from error


def _printable(reason: str) -> str:
    """The reason of a refusal with unprintable characters removed, to be shown to a visitor."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason).split())
