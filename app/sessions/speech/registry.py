"""The utterances of one session by their names, and what becomes of each."""

from dataclasses import replace
from typing import Final

from app.kaltura.contract import TurnId
from app.sessions.clock import Clock
from app.sessions.speech.feed import UtteranceFeed
from app.sessions.speech.utterances import Receipt, Utterance, UtteranceState

MAX_KNOWN: Final = 100
"""Utterances that a player may still tell of; those that go on are always among them."""


class UtteranceRegistry:
    """Keeps utterances, and tells of every change; `clock` gives unix seconds."""

    def __init__(self, feed: UtteranceFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._known: dict[TurnId, Utterance] = {}

    def get(self, turn_id: TurnId) -> Utterance | None:
        """The latest utterance of this name."""
        return self._known.get(turn_id)

    def unfinished(self, turn_id: TurnId) -> Utterance | None:
        """The same if more text may be added to it."""
        known = self._known.get(turn_id)
        return None if known is None or known.closed or self._broke_off(known) else known

    def new(self, turn_id: TurnId, text: str) -> Utterance:
        """An utterance; one of this name before it is forgotten."""
        self._known.pop(turn_id, None)
        receipt = Receipt(turn_id, text, UtteranceState.QUEUED, self._clock())
        utterance = self._known[turn_id] = Utterance(receipt)
        self._feed.note(utterance)
        self._forget()
        return utterance

    def add(self, utterance: Utterance, text: str) -> None:
        """More text; one that seemed to be done goes on."""
        state = utterance.receipt.state
        state = UtteranceState.QUEUED if state == UtteranceState.DONE else state
        self._change(utterance, state=state, text=utterance.receipt.text + text, ended_at=None)

    def said_by_fallback(self, utterance: Utterance) -> None:
        """It is not Kaltura's own voice that says it."""
        if not utterance.receipt.fallback:
            self._change(utterance, fallback=True)

    def speaks(self, utterance: Utterance, seconds_ago: float) -> None:
        """It is being said."""
        if utterance.receipt.state == UtteranceState.QUEUED:
            started = utterance.receipt.started_at or self._clock() - seconds_ago
            self._change(utterance, state=UtteranceState.SPEAKING, started_at=started)

    def done(self, utterance: Utterance) -> None:
        """What there is of it has been said; it failed where its writer did."""
        more = utterance.upstream or utterance.chunks or utterance.open
        if more or utterance.over:
            return
        if utterance.problem is None:
            self._end(utterance, UtteranceState.DONE, None)
        else:
            self._end(utterance, UtteranceState.FAILED, utterance.problem.name)

    def interrupted(self, utterance: Utterance, reason: str | None = None) -> None:
        """What is left of it is not said."""
        if not utterance.over:
            self._end(utterance, UtteranceState.INTERRUPTED, reason)

    def failed(self, utterance: Utterance, reason: str) -> None:
        """What is left of it could not be said."""
        if not utterance.over:
            self._end(utterance, UtteranceState.FAILED, reason)

    @staticmethod
    def _broke_off(utterance: Utterance) -> bool:
        return utterance.over and utterance.receipt.state != UtteranceState.DONE

    def _end(self, utterance: Utterance, state: UtteranceState, reason: str | None) -> None:
        utterance.drained.set()
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
