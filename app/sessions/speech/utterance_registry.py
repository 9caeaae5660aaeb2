"""The utterances of one session by turn id, and the changes of their states."""

from dataclasses import replace
from typing import Final

from app.kaltura.contract import TurnId
from app.sessions.clock import Clock
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.utterances import Receipt, Utterance, UtteranceState

MAX_KNOWN: Final = 100
"""Utterances that a player may still report on; those that are not over are never forgotten."""


class UtteranceRegistry:
    """Keeps utterances, and publishes each change to the feed; `clock` gives unix seconds."""

    def __init__(self, feed: UtteranceFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._known: dict[TurnId, Utterance] = {}

    def get(self, turn_id: TurnId) -> Utterance | None:
        """The latest utterance with this turn id; None when none is known."""
        return self._known.get(turn_id)

    def unfinished(self, turn_id: TurnId) -> Utterance | None:
        """The latest utterance with this turn id, if more text may be added to it; else None."""
        known = self._known.get(turn_id)
        return None if known is None or known.closed or self._ended_early(known) else known

    def new(self, turn_id: TurnId, text: str) -> Utterance:
        """Create an utterance; an earlier one with its turn id is forgotten."""
        self._known.pop(turn_id, None)
        receipt = Receipt(turn_id, text, UtteranceState.QUEUED, self._clock())
        utterance = self._known[turn_id] = Utterance(receipt)
        self._feed.note(utterance)
        self._forget()
        return utterance

    def add_text(self, utterance: Utterance, text: str) -> None:
        """Add text to an utterance; one that was done is queued again."""
        state = utterance.receipt.state
        state = UtteranceState.QUEUED if state == UtteranceState.DONE else state
        self._change(utterance, state=state, text=utterance.receipt.text + text, ended_at=None)

    def mark_fallback(self, utterance: Utterance) -> None:
        """Mark an utterance as said by the text-to-speech service."""
        if not utterance.receipt.fallback:
            self._change(utterance, fallback=True)

    def mark_speaking(self, utterance: Utterance, seconds_ago: float) -> None:
        """Mark an utterance as being said since `seconds_ago`."""
        if utterance.receipt.state == UtteranceState.QUEUED:
            started = utterance.receipt.started_at or self._clock() - seconds_ago
            self._change(utterance, state=UtteranceState.SPEAKING, started_at=started)

    def mark_done(self, utterance: Utterance) -> None:
        """Mark an utterance done, or failed with its problem, if none of it is left to be said."""
        is_unfinished = utterance.upstream or utterance.chunks or utterance.open
        if is_unfinished or utterance.over:
            return
        if utterance.problem is None:
            self._end(utterance, UtteranceState.DONE, None)
        else:
            self._end(utterance, UtteranceState.FAILED, utterance.problem.name)

    def mark_interrupted(self, utterance: Utterance, reason: str | None = None) -> None:
        """Mark an utterance interrupted; its remaining text is not said."""
        if not utterance.over:
            self._end(utterance, UtteranceState.INTERRUPTED, reason)

    def mark_failed(self, utterance: Utterance, reason: str) -> None:
        """Mark an utterance failed; its remaining text could not be said."""
        if not utterance.over:
            self._end(utterance, UtteranceState.FAILED, reason)

    @staticmethod
    def _ended_early(utterance: Utterance) -> bool:
        return utterance.over and utterance.receipt.state != UtteranceState.DONE

    def _end(self, utterance: Utterance, state: UtteranceState, reason: str | None) -> None:
        utterance.note_drained()
        self._change(utterance, state=state, reason=reason, ended_at=self._clock())

    def _change(self, utterance: Utterance, **changes: object) -> None:
        utterance.receipt = replace(utterance.receipt, **changes)  # type: ignore[arg-type] # checked by dataclasses
        self._feed.note(utterance)

    def _forget(self) -> None:
        while len(self._known) > MAX_KNOWN:
            oldest = next((id_ for id_, each in self._known.items() if each.over), None)
            if oldest is None:
                return
            del self._known[oldest]
