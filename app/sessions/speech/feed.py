"""The states of one session's utterances, for any number of readers that follow them."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.sessions.speech.utterances import OVER, Receipt, Utterance

MAX_REMEMBERED: Final = 100
"""Utterances of one session that are remembered; those that are not over are never forgotten."""

MAX_REMEMBERED_CHARACTERS: Final = 200_000
"""Characters of one session's utterances that are remembered."""
MAX_EVENTS: Final = 256
"""Events that a reader can still get after it was disconnected."""


@dataclass(frozen=True, slots=True)
class UtteranceEvent:
    """A change of an utterance; `id` is the position after which a reader may resume."""

    id: str
    receipt: Receipt


class UtteranceFeed:
    """The utterances of one session, and the events of their changes.

    A reader that is slow or returns asks for the events after its position; no state is kept for a
    reader.
    """

    def __init__(self, receipts: Sequence[Receipt] = ()) -> None:
        """Begin with the receipts of an earlier process."""
        # A reader may bring an id of an earlier process, whose count was another.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._receipts: OrderedDict[str, Receipt] = OrderedDict(
            (receipt.turn_id, receipt) for receipt in receipts
        )
        self._characters = sum(len(receipt.text) for receipt in receipts)
        self._events: list[UtteranceEvent] = []  # an empty deque takes 700 bytes
        self._news: asyncio.Event | None = None
        self.over = False

    @property
    def last_id(self) -> str:
        """The position of a reader that has every event."""
        return f"{self._epoch}-{self._number}"

    @property
    def receipts(self) -> list[Receipt]:
        """Every utterance that is remembered, oldest first."""
        return list(self._receipts.values())

    def note(self, utterance: Utterance) -> None:
        """Publish an utterance's current state."""
        receipt = utterance.receipt
        self._number += 1
        self._events.append(UtteranceEvent(self.last_id, receipt))
        del self._events[:-MAX_EVENTS]
        before = self._receipts.get(receipt.turn_id)
        self._characters += len(receipt.text) - (len(before.text) if before else 0)
        self._receipts[receipt.turn_id] = receipt
        self._forget()
        self._wake()

    def end(self) -> None:
        """Publish that no more events follow."""
        self.over = True
        self._wake()

    def since(self, last_id: str | None) -> list[UtteranceEvent]:
        """The events after a position; all current states when it is unknown or too old."""
        epoch, _, number = (last_id or "").partition("-")
        if epoch == self._epoch and number.isdecimal() and len(number) <= len(str(self._number)):
            missed = self._number - int(number)
            if 0 <= missed <= len(self._events):
                return self._events[len(self._events) - missed :]
        return [UtteranceEvent(self.last_id, receipt) for receipt in self._receipts.values()]

    async def next_event(self) -> None:
        """Wait until the next event, or the end of the feed."""
        if self._news is None:
            self._news = asyncio.Event()
        await self._news.wait()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def _forget(self) -> None:
        while self._is_full() and (over := self._oldest_over()) is not None:
            self._characters -= len(over.text)
            del self._receipts[over.turn_id]

    def _is_full(self) -> bool:
        too_many = len(self._receipts) > MAX_REMEMBERED
        return too_many or self._characters > MAX_REMEMBERED_CHARACTERS

    def _oldest_over(self) -> Receipt | None:
        return next((each for each in self._receipts.values() if each.state in OVER), None)
