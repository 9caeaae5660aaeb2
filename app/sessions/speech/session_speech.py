"""The state of one session's speech."""

from dataclasses import dataclass
from typing import Final

from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import IdempotentSpeaks
from app.sessions.speech.queue import SpeechQueue

SESSION_OVER: Final = "session-ended"
"""The reason of utterances that were not said because their session ended."""

REPLICA_LOST: Final = "replica-lost"
"""The reason of utterances that were not said because another process has their session now."""


@dataclass(frozen=True, slots=True)
class SessionSpeech:
    """One session's queue of chunks, feed of utterances, and speaks that can be repeated."""

    queue: SpeechQueue
    feed: UtteranceFeed
    speaks: IdempotentSpeaks

    def close(self, reason: str) -> None:
        """Drop the waiting speech, and end the feed, because the session is over in this process.

        `reason` is `SESSION_OVER` or `REPLICA_LOST`.
        """
        self.queue.close(reason)
        self.feed.end()
