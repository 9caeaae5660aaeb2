"""One piece on its way upstream: cut to the voice's measure, tried, and its sender answered."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from app.audit.model import OK
from app.kaltura.client import NOT_CARRIED_OUT
from app.problems import Problem
from app.sessions.speech.text.segmentation import chunk_end
from app.sessions.speech.text.validation import is_silent
from app.sessions.speech.utterances import SpeechChunk, Utterance
from app.sessions.speech.voice.http_services import ServiceFailed

MAX_TRIES: Final = 3
MAX_PAUSE_SECONDS: Final = 10


class InParts(Exception):  # noqa: N818 - nothing went wrong
    """The piece was not said: it is too long for the voice that would say it now."""


class Say(Protocol):
    """Says one piece upstream."""

    async def __call__(
        self, utterance: Utterance, chunk: SpeechChunk, is_wanted: Callable[[], bool]
    ) -> float | None:
        """How many seconds it takes, where that was measured.

        Raises a `Problem`, `InParts`, or `UnwantedCall` when `is_wanted` says no before it is sent.
        """


def awaited() -> asyncio.Future[Any]:
    """What a caller waits for, such as `SpeechChunk.accepted`; it may go away meanwhile."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def answer(chunk: SpeechChunk, error: BaseException | None = None, *, outcome: str = OK) -> None:
    """Tell whoever waits for a piece, or else the record, what became of it."""
    if chunk.call is not None and chunk.call.goes_on and chunk.closes:
        chunk.call.carried_out(outcome)
    waiting = chunk.accepted
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)


def take_fitting(utterance: Utterance, limit: int) -> SpeechChunk:
    """The next piece, or the part of it that can be said at once; the rest stays in line.

    A rest that makes no sound is left out.
    """
    chunk = utterance.chunks.popleft()
    if chunk.recording is not None or len(chunk.text) <= limit:
        return chunk
    end = chunk_end(chunk.text, limit)
    first, rest = chunk.text[:end], chunk.text[end:]
    if is_silent(rest):
        return replace(chunk, text=first)
    utterance.chunks.appendleft(replace(chunk, text=rest, accepted=None))
    return replace(chunk, text=first, final=False, closes=False)


def pause_before_next_try(chunk: SpeechChunk, problem: Problem) -> float | None:
    """Seconds until a piece may be tried again; None when it may not.

    It may if Kaltura did not carry it out, so that nothing is said twice, and if nobody waits for
    the answer who could try again.
    """
    unsaid = isinstance(problem.__cause__, (*NOT_CARRIED_OUT, ServiceFailed))
    if not unsaid or chunk.accepted is not None or chunk.tries >= MAX_TRIES:
        return None
    return min(problem.retry_after or 2**chunk.tries, MAX_PAUSE_SECONDS)
