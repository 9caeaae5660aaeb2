"""The house's last word: who sees each text before it is said, and may change or refuse it."""

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
from app.sessions.speech.voice.http_services import ServiceFailed, ask

HOOK_SECONDS: Final = 3.0
MAX_ANSWER_BYTES: Final = 1024 * 1024

Said = dict[str, Any]
"""`{sessionId, visitor, text, turnId}`, as it goes over the wire."""

PythonHook = Callable[[Said], Any]
"""Answers what the service would, at once or as an awaitable."""

log = structlog.get_logger(__name__)


class Hook(Protocol):
    """One who is asked; answers JSON, or raises whatever it likes."""

    async def __call__(self, said: Said) -> Any:
        """What is to become of a text."""


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


class HookFailed(Exception):  # noqa: N818 - what that means is a setting
    """A hook gave no answer that can be used."""


class SpeechHooks:
    """Asks each hook in turn; the next one sees what the last one made of the text."""

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
        """The text that may be said; raises `SpeechRefused`."""
        for hook in self._hooks:
            said = {"sessionId": session_id, "visitor": visitor, "text": text, "turnId": turn_id}
            try:
                text = self._judged(text, await _asked(hook, said))
            except HookFailed as failure:
                log.warning("speech hook failed", error=str(failure), then=self._on_failure)
                if self._on_failure == "refuse":
                    raise SpeechRefused(
                        "The text could not be checked, so it is not said."
                    ) from None
        return text

    def _judged(self, text: str, answer: Any) -> str:
        try:
            verdict = _ANSWER.validate_python(answer)
        except ValidationError:
            raise HookFailed("an answer that is none of allow, replace and refuse") from None
        match verdict:
            case _Allow():
                return text
            case _Replace():
                try:
                    return speakable(verdict.text, self._max_text_length)
                except InvalidRequest:
                    # It was not to be said as it was, whatever SPEECH_HOOK_FAILURE allows.
                    log.warning("speech hook replaced a text by one that can't be said")
                    raise SpeechRefused from None
            case _Refuse():
                raise SpeechRefused(_public(verdict.reason) or None)


class HttpHook:
    """Asks a service; each call is signed, so that it knows who asks."""

    def __init__(
        self, url: str, secret: SecretStr | None, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._url = url
        self._secret = secret
        self._transport = transport

    async def __call__(self, said: Said) -> Any:
        """The service's answer."""
        content = json.dumps(said, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._secret is not None:
            key = self._secret.get_secret_value().encode()
            headers["X-Signature"] = hmac.new(key, content, "sha256").hexdigest()
        body = await ask(
            self._transport,
            self._url,
            headers=headers,
            content=content,
            seconds=HOOK_SECONDS,
            at_most=MAX_ANSWER_BYTES,
        )
        return json.loads(body)


def in_process(hook: PythonHook) -> Hook:
    """A function as a hook; one that is not async runs in a thread, and holds up nobody."""

    async def asked(said: Said) -> Any:
        if inspect.iscoroutinefunction(hook):
            return await hook(said)
        answer = await asyncio.to_thread(hook, said)
        return await answer if isinstance(answer, Awaitable) else answer

    return asked


async def _asked(hook: Hook, said: Said) -> Any:
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            return await hook(said)
    except ServiceFailed as failure:
        raise HookFailed(str(failure)) from None
    except Exception as error:
        raise HookFailed(type(error).__name__) from error


def _public(reason: str) -> str:
    """The hook's reason as a visitor may read it."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason).split())
