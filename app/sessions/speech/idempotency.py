"""Recognises speaks that are sent again: each is said once, and answered as the first time."""

import asyncio
import copy
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from app.kaltura.contract import Operation, TurnId
from app.problems import InvalidRequest, Problem
from app.sessions.auditing import AuditedCall
from app.sessions.speech.chunks import fail, new_future
from app.sessions.speech.text.streaming import STALL_SECONDS
from app.sessions.speech.utterances import Receipt

MAX_REMEMBERED: Final = 200
"""Speaks of one session that are recognised when sent again; the oldest are forgotten."""


def digest(content: str | bytes) -> str:
    """The SHA-256 digest of a text or bytes; a text may hold unpaired surrogates."""
    return hashlib.sha256(_encoded(content)).hexdigest()


class StreamDigest:
    """The digest of a text that is still being written, over the part that was read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._length = 0
        self._is_whole = False

    async def digesting(self, texts: AsyncIterator[str]) -> AsyncIterator[str]:
        """Yield the texts as they come, and add each to the digest."""
        async for text in texts:
            self._hash.update(_encoded(text))
            self._length += len(text)
            yield text
        self._is_whole = True

    async def is_repeated_by(self, texts: AsyncIterator[str]) -> bool:
        """Whether texts repeat the first ones; reads no more of them than necessary.

        When the first text was not read to its end, because it was too long or a Stop came, only
        the part that was read is compared: the rest would not have been said. Raises
        `InvalidRequest` when the texts stall.
        """
        head = ""
        while len(head) <= self._length:
            try:
                text = await asyncio.wait_for(anext(texts, None), STALL_SECONDS)
            except TimeoutError:
                raise InvalidRequest("The text does not go on.", status=408) from None
            if text is None:
                break
            head += text
        same = digest(head[: self._length]) == self._hash.hexdigest()
        return same and not (self._is_whole and len(head) > self._length)


@dataclass(frozen=True, slots=True)
class SpeakContent:
    """The content of one speak call.

    `content` is a digest of the text or bytes; it is empty for a streamed text, which has
    `streamed`. `text` is a text that came whole.
    """

    kind: Operation
    turn_id: TurnId | None
    is_final: bool = True
    content: str = ""
    streamed: StreamDigest | None = field(default=None, compare=False)
    text: str | None = field(default=None, compare=False, repr=False)

    @property
    def ends_turn(self) -> TurnId | None:
        """The turn that this call names and ends, by which the call is recognised too."""
        return self.turn_id if self.is_final and self.streamed is None else None


@dataclass(eq=False, slots=True)
class Attempt:
    """One speak that is carried out; `calls` are its calls in the audit record."""

    speak: SpeakContent
    calls: list[AuditedCall] = field(default_factory=list)
    outcome: asyncio.Future[Receipt] = field(default_factory=new_future)

    @property
    def may_be_said(self) -> bool:
        """Whether any part of the speak may have been said, or may still be said."""
        return any(call.may_be_done for call in self.calls)


class IdempotentSpeaks:
    """The speaks of one session, each carried out once.

    A speak is recognised by its Idempotency-Key; without a key, by the turn that it ends, if the
    caller has named that turn. A failed speak is carried out again, unless part of it may have been
    said.
    """

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, str], Attempt] = {}

    def is_known(self, idempotency_key: str) -> bool:
        """Whether a speak with this key is known, so that it would not be carried out."""
        return ("key", idempotency_key) in self._attempts

    async def once(
        self,
        speak: SpeakContent,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
        texts: AsyncIterator[str] | None = None,
    ) -> Receipt:
        """Carry a speak out, or answer as the first time, also while the first is under way.

        `texts` are the parts of a streamed text, whose content is known only once they are read.
        Raises `InvalidRequest` when the key was used for another speak.
        """
        earlier = self._earlier(speak, idempotency_key)
        if earlier is None:
            return await self._carried_out(speak, idempotency_key, carry_out)
        receipt = await asyncio.shield(earlier.outcome)
        streamed = earlier.speak.streamed
        if streamed and texts and not await streamed.is_repeated_by(texts):
            raise _key_reused()
        return receipt

    def _earlier(self, speak: SpeakContent, idempotency_key: str | None) -> Attempt | None:
        if idempotency_key is None:
            earlier = self._attempts.get(("turn", speak.ends_turn)) if speak.ends_turn else None
            return earlier if earlier and earlier.speak == speak else None
        earlier = self._attempts.get(("key", idempotency_key))
        if earlier is not None and earlier.speak != speak:
            raise _key_reused()
        return earlier

    async def _carried_out(
        self,
        speak: SpeakContent,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
    ) -> Receipt:
        attempt = Attempt(speak)
        self._remember(attempt, idempotency_key)
        try:
            receipt = await carry_out(attempt)
        except BaseException as error:
            if not attempt.may_be_said:
                self._forget(attempt)
            if isinstance(error, Problem):
                # A copy, which does not keep what the traceback refers to, such as a recording.
                fail(attempt.outcome, copy.copy(error))
            else:
                attempt.outcome.cancel()
            raise
        finally:
            attempt.calls.clear()
        attempt.outcome.set_result(receipt)
        return receipt

    def _remember(self, attempt: Attempt, idempotency_key: str | None) -> None:
        speak = attempt.speak
        if speak.turn_id is not None:
            # The turn gets more text, or its name is used again: the earlier call did not end it.
            self._attempts.pop(("turn", speak.turn_id), None)
        if idempotency_key is not None:
            self._attempts["key", idempotency_key] = attempt
        if speak.ends_turn is not None:
            self._attempts["turn", speak.ends_turn] = attempt
        while len(self._attempts) > MAX_REMEMBERED:
            over = (name for name, each in self._attempts.items() if each.outcome.done())
            oldest = next(over, None)
            if oldest is None:
                return
            del self._attempts[oldest]

    def _forget(self, attempt: Attempt) -> None:
        names = [name for name, each in self._attempts.items() if each is attempt]
        for name in names:
            del self._attempts[name]


def _encoded(content: str | bytes) -> bytes:
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content


def _key_reused() -> InvalidRequest:
    return InvalidRequest("Idempotency-Key: it was used for another speak; take a new one.")
