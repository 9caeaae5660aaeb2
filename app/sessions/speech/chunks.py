"""Helpers for one chunk of speech: cutting it, retrying it, and reporting its outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from app.audit.model import OK
from app.kaltura.client import NOT_CARRIED_OUT
from app.problems import Problem, ReplicaUnavailable
from app.sessions.speech.text.segmentation import chunk_end
from app.sessions.speech.text.validation import is_silent
from app.sessions.speech.utterances import SpeechChunk, Utterance
from app.sessions.speech.voice.http_services import ServiceFailed

MAX_TRIES: Final = 3
"""Tries after which a chunk that Kaltura did not carry out is given up."""
MAX_PAUSE_SECONDS: Final = 10
"""Longest pause before the next try."""


class ChunkTooLong(Exception):  # noqa: N818 - not an error
    """Raised when a chunk was not said because it is too long for the voice that must say it."""


class SayChunk(Protocol):
    """Function that sends one chunk to Kaltura."""

    async def __call__(
        self, utterance: Utterance, chunk: SpeechChunk, is_wanted: Callable[[], bool]
    ) -> float | None:
        """Send a chunk; return its length in seconds where that was measured.

        Raises a `Problem`, `ChunkTooLong`, or `UnwantedCall` when `is_wanted` is false before the
        chunk is sent.
        """


def new_future() -> asyncio.Future[Any]:
    """Create a future of the running loop."""
    return asyncio.get_running_loop().create_future()


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """Give an error to a future whose caller may have gone away."""
    future.set_exception(error)
    future.exception()  # asyncio warns of an exception that nobody has looked at


def report_outcome(
    chunk: SpeechChunk, error: BaseException | None = None, *, outcome: str = OK
) -> None:
    """Report a chunk's outcome to the caller that waits for it, or else to the audit record."""
    was_dropped = error is None and outcome != OK
    if chunk.call is not None and chunk.closes and (chunk.call.goes_on or was_dropped):
        chunk.call.carried_out(outcome)
    waiting = chunk.accepted
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        fail(waiting, error)


def take_next_chunk(utterance: Utterance, limit: int) -> SpeechChunk:
    """Take an utterance's next chunk, cut to `limit` characters; the rest stays in the utterance.

    A rest without letters or digits is dropped.
    """
    chunk = utterance.chunks.pop(0)
    if chunk.recording is not None or len(chunk.text) <= limit:
        return chunk
    end = chunk_end(chunk.text, limit)
    first, rest = chunk.text[:end], chunk.text[end:]
    if is_silent(rest):
        return replace(chunk, text=first)
    if chunk.call is not None:
        # Its caller is answered when the first part is said, but the text is not said by then.
        chunk.call.goes_on = True
    utterance.chunks.insert(0, replace(chunk, text=rest, accepted=None))
    return replace(chunk, text=first, final=False, closes=False)


def pause_before_next_try(chunk: SpeechChunk, problem: Problem) -> float | None:
    """Seconds until a chunk may be tried again; None when it may not.

    A chunk may be tried again if Kaltura did not carry it out and no caller waits for its outcome:
    then nothing is said twice, and a caller who waits can repeat the call.
    """
    was_not_said = isinstance(problem, ReplicaUnavailable) or isinstance(
        problem.__cause__, (*NOT_CARRIED_OUT, ServiceFailed)
    )
    if not was_not_said or chunk.accepted is not None or chunk.tries >= MAX_TRIES:
        return None
    return min(problem.retry_after or 2**chunk.tries, MAX_PAUSE_SECONDS)
