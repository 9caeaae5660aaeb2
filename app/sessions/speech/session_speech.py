"""The state of one session's speech."""

from dataclasses import dataclass
from typing import Final

from app.sessions.speech.earlier_turns import RECEIPTS, REPLICA_LOST, EarlierTurns
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import IdempotentSpeaks
from app.sessions.speech.queue import SpeechQueue

SESSION_OVER: Final = "session-ended"
"""The reason of utterances that were not said because their session ended."""


@dataclass(frozen=True, slots=True)
class SessionSpeech:
    """One session's queue of chunks, feed of utterances, and speaks that can be repeated.

    `earlier` are the turns of the processes that had the session before.
    """

    queue: SpeechQueue
    feed: UtteranceFeed
    speaks: IdempotentSpeaks
    earlier: EarlierTurns

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said, and nothing waits to be said."""
        return self.queue.is_idle

    def receipts_as_json(self) -> bytes:
        """The receipts of all utterances, for the next owner of the session."""
        return RECEIPTS.dump_json(self.feed.receipts)

    def close(self) -> None:
        """Drop the waiting speech, and end the feed, because the session is over."""
        self.queue.close(SESSION_OVER)
        self.feed.end()

    def lose(self) -> None:
        """Drop the waiting speech, and end the feed, because another process has the session."""
        self.queue.lose(REPLICA_LOST)
        self.feed.end()
