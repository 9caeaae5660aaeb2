"""What was asked to be said, and its fate."""

import asyncio
import contextvars
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from app.kaltura.client import Recording
from app.kaltura.contract import TurnId
from app.problems import Problem
from app.sessions.auditing import AuditedCall


class UtteranceState(StrEnum):
    """The life of an utterance; the last three are its end."""

    QUEUED = "queued"
    SPEAKING = "speaking"
    DONE = "done"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


OVER = frozenset({UtteranceState.DONE, UtteranceState.INTERRUPTED, UtteranceState.FAILED})


@dataclass(frozen=True)
class Receipt:
    """An utterance as it is told of; times are unix seconds.

    `reason` is the name of a problem, or of what ended it. `fallback` says that it was not
    Kaltura's own voice that said it.
    """

    turn_id: TurnId
    text: str
    state: UtteranceState
    queued_at: float
    started_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    fallback: bool = False


@dataclass(eq=False)
class SpeechChunk:
    """What goes upstream in one call: a text or a recording.

    `accepted` is what its sender waits for, when it waits. It is sent in the context of the call
    that brought it, so that the log and the record name that.
    """

    text: str
    final: bool = True
    recording: Recording | None = None
    call: AuditedCall | None = None
    """Its call, as the record knows it."""

    closes: bool = True
    """Whether its fate is that of its call; a part of a longer piece may not be the last."""

    accepted: asyncio.Future[None] | None = None
    tries: int = 0
    context: contextvars.Context = field(default_factory=contextvars.copy_context, repr=False)


@dataclass(eq=False)
class Utterance:
    """One turn of speech on its way.

    `open` is a turn whose text is still being written; `closed` one that gets no more of it.
    """

    receipt: Receipt
    chunks: deque[SpeechChunk] = field(default_factory=deque)
    upstream: int = 0
    """Pieces that Kaltura has and that are not over, as far as is known."""

    unfinished: bool = False
    """Whether Kaltura has a part of a turn of it, and not yet the part that is final."""

    turns: int = 1
    """Turns that it was at Kaltura; a final piece ends one, and more text begins another."""

    open: bool = False
    closed: bool = False
    problem: Problem | None = None
    """Why it failed."""

    tried: int = 0
    """Pieces that were tried upstream."""

    drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def turn_id(self) -> TurnId:
        """Its name here."""
        return self.receipt.turn_id

    @property
    def over(self) -> bool:
        """Whether it has come to an end."""
        return self.receipt.state in OVER
