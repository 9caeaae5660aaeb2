"""A speak that is sent again: it is said once, and answered as it was the first time."""

import asyncio
import copy
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from app.kaltura.contract import Operation, TurnId
from app.problems import InvalidRequest, Problem
from app.sessions.auditing import AuditedCall
from app.sessions.speech.chunks import awaited
from app.sessions.speech.text.streaming import STALL_SECONDS
from app.sessions.speech.utterances import Receipt

MAX_REMEMBERED: Final = 200
"""Speaks of one session that are recognised when they are sent again; the oldest are forgotten."""


def digest(content: str | bytes) -> str:
    """What stands for words or bytes; any `str` will do, half a surrogate pair included."""
    return hashlib.sha256(_bytes(content)).hexdigest()


class WrittenText:
    """A text that is still being written, remembered as far as it was read."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._length = 0
        self._is_whole = False

    async def noted(self, texts: AsyncIterator[str]) -> AsyncIterator[str]:
        """Yield the texts as they come, and remember them."""
        async for text in texts:
            self._hash.update(_bytes(text))
            self._length += len(text)
            yield text
        self._is_whole = True

    async def is_repeated_by(self, texts: AsyncIterator[str]) -> bool:
        """Whether these texts are the same again; reads no more of them than it has to.

        Where the first was not read to its end (it was too long, or a Stop came), what follows
        makes no difference: it would not have been said.
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


@dataclass(frozen=True)
class Speak:
    """What one call asks to be said.

    `content` is a digest of its words or bytes; a text that is still `written` has none.
    """

    kind: Operation
    turn_id: TurnId | None
    is_final: bool = True
    content: str = ""
    written: WrittenText | None = field(default=None, compare=False)

    @property
    def ends_turn(self) -> TurnId | None:
        """The turn that its caller has named and that it ends, by which it is recognised too."""
        return self.turn_id if self.is_final and self.written is None else None


@dataclass(eq=False)
class Attempt:
    """One speak that is carried out; `calls` are those that the record has of it."""

    speak: Speak
    calls: list[AuditedCall] = field(default_factory=list)
    outcome: asyncio.Future[Receipt] = field(default_factory=awaited)

    @property
    def may_be_said(self) -> bool:
        """Whether any of it may have been said, or may yet be."""
        return any(call.may_be_done for call in self.calls)


class IdempotentSpeaks:
    """The speaks of one session, each carried out once.

    A speak is recognised by its Idempotency-Key; without one, by the turn that it ends, if its
    caller has named that. One that failed is carried out anew, unless some of it may be said.
    """

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, str], Attempt] = {}

    def is_known(self, idempotency_key: str) -> bool:
        """Whether a speak with this key would not be carried out."""
        return ("key", idempotency_key) in self._attempts

    async def once(
        self,
        speak: Speak,
        idempotency_key: str | None,
        carry_out: Callable[[Attempt], Awaitable[Receipt]],
        texts: AsyncIterator[str] | None = None,
    ) -> Receipt:
        """Carry a speak out, or answer as before, also while the first is under way.

        `texts` are those of a speak that is still being written: what it says is known only when
        they are read. Raises `InvalidRequest` when the key was used for another speak.
        """
        earlier = self._earlier(speak, idempotency_key)
        if earlier is None:
            return await self._carried_out(speak, idempotency_key, carry_out)
        receipt = await asyncio.shield(earlier.outcome)
        written = earlier.speak.written
        if written and texts and not await written.is_repeated_by(texts):
            raise _used_otherwise()
        return receipt

    def _earlier(self, speak: Speak, idempotency_key: str | None) -> Attempt | None:
        if idempotency_key is None:
            earlier = self._attempts.get(("turn", speak.ends_turn)) if speak.ends_turn else None
            return earlier if earlier and earlier.speak == speak else None
        earlier = self._attempts.get(("key", idempotency_key))
        if earlier is not None and earlier.speak != speak:
            raise _used_otherwise()
        return earlier

    async def _carried_out(
        self,
        speak: Speak,
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
                # A copy: what hangs on a traceback, such as a recording, shall not be kept.
                attempt.outcome.set_exception(copy.copy(error))
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
            # More of a turn, or another text in its name: what ended it before was not its end.
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


def _bytes(content: str | bytes) -> bytes:
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content


def _used_otherwise() -> InvalidRequest:
    return InvalidRequest("Idempotency-Key: it was used for another speak; take a new one.")
