"""What one session has to say: its queue, the fate of each utterance, and the speaks it knows."""

from dataclasses import dataclass
from typing import Final

from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.idempotency import IdempotentSpeaks
from app.sessions.speech.queue import SpeechQueue

SESSION_OVER: Final = "session-ended"
"""The reason of utterances that were not said because their session ended."""


@dataclass(frozen=True)
class SessionSpeech:
    """The speech of one session."""

    queue: SpeechQueue
    feed: UtteranceFeed
    speaks: IdempotentSpeaks

    def close(self) -> None:
        """End it with its session: what waits is not said, and those who follow are told."""
        self.queue.close(SESSION_OVER)
        self.feed.end()
