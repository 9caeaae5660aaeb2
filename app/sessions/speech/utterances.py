"""Utterances: their states, and the chunks that they are sent in."""

import asyncio
import contextvars
from dataclasses import dataclass, field
from enum import StrEnum

from app.kaltura.client import Recording
from app.kaltura.contract import TurnId
from app.problems import Problem
from app.sessions.auditing import AuditedCall


class UtteranceState(StrEnum):
    """State of an utterance; the last three are final."""

    QUEUED = "queued"
    SPEAKING = "speaking"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


OVER = frozenset({UtteranceState.DONE, UtteranceState.INTERRUPTED, UtteranceState.FAILED})
"""The final states."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The public state of an utterance; times are unix seconds.

    `reason` is the name of a problem, or of the event that ended the utterance. `fallback` tells
    that the text-to-speech service said it instead of Kaltura's own voice.
    """

    turn_id: TurnId
    text: str
    state: UtteranceState
    queued_at: float
    started_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    fallback: bool = False


@dataclass(eq=False, slots=True)
class SpeechChunk:
    """A text or a recording that is sent to Kaltura in one call.

    `accepted` is the future that the caller waits for, if it waits. The chunk is sent in the
    `context` of the call that brought it, so that the log and the audit record name that call.
    """

    text: str
    final: bool = True
    recording: Recording | None = None
    call: AuditedCall | None = None
    """The call that brought the chunk, for the audit record."""

    closes: bool = True
    """Whether the chunk's outcome is that of its call; false for a part that others follow."""

    accepted: asyncio.Future[None] | None = None
    tries: int = 0
    context: contextvars.Context = field(default_factory=contextvars.copy_context, repr=False)


@dataclass(eq=False, slots=True)
class Utterance:
    """One turn of speech.

    `open` tells that its text is still being written, `closed` that it gets no more text.
    """

    receipt: Receipt
    chunks: list[SpeechChunk] = field(default_factory=list)
    upstream: int = 0
    """The number of chunks that Kaltura has and that are not over, as far as is known."""

    unfinished: bool = False
    """Whether Kaltura has a part of a turn, and not yet the turn's final part."""

    turns: int = 1
    """The number of turns at Kaltura; a final chunk ends one, and more text begins another."""

    open: bool = False
    closed: bool = False
    problem: Problem | None = None
    """The problem for which the utterance failed."""

    tried: int = 0
    """The number of chunks that were sent, successfully or not."""

    _drained: asyncio.Event | None = None

    @property
    def turn_id(self) -> TurnId:
        """The utterance's id at the broker."""
        return self.receipt.turn_id

    @property
    def over(self) -> bool:
        """Whether the utterance is in a final state."""
        return self.receipt.state in OVER

    async def drained(self) -> None:
        """Wait until another chunk was tried, or the utterance is over."""
        # Made when it is waited for: an event takes 700 bytes, and few utterances are waited for.
        self._drained = self._drained or asyncio.Event()
        self._drained.clear()
        await self._drained.wait()

    def note_drained(self) -> None:
        """Wake those who wait in `drained`."""
        if self._drained is not None:
            self._drained.set()
