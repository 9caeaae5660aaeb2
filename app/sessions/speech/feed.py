"""What happens to one session's speech, for as many as follow it."""

import asyncio
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from app.sessions.speech.utterances import OVER, Receipt, Utterance

MAX_REMEMBERED: Final = 100
"""Utterances of a session whose fate can be asked for; those that go on are always among them."""

MAX_REMEMBERED_CHARACTERS: Final = 200_000
BACKLOG: Final = 256
"""Events that whoever was cut off can still get."""


@dataclass(frozen=True)
class UtteranceEvent:
    """Something that became of an utterance; `id` is where a reader may go on."""

    id: str
    receipt: Receipt


class UtteranceFeed:
    """The utterances of one session and what became of them.

    A reader that is slow, or comes back, asks for what is newer than what it has; nothing is kept
    for any one of them.
    """

    def __init__(self) -> None:
        # A reader may bring an id of another process, which counted otherwise.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._receipts: OrderedDict[str, Receipt] = OrderedDict()
        self._characters = 0
        self._events: deque[UtteranceEvent] = deque(maxlen=BACKLOG)
        self._news = asyncio.Event()
        self.over = False

    @property
    def last_id(self) -> str:
        """Where a reader is who has everything."""
        return f"{self._epoch}-{self._number}"

    @property
    def receipts(self) -> list[Receipt]:
        """Every utterance that is remembered, oldest first."""
        return list(self._receipts.values())

    def note(self, utterance: Utterance) -> None:
        """Tell what has become of an utterance."""
        receipt = utterance.receipt
        self._number += 1
        self._events.append(UtteranceEvent(self.last_id, receipt))
        before = self._receipts.get(receipt.turn_id)
        self._characters += len(receipt.text) - (len(before.text) if before else 0)
        self._receipts[receipt.turn_id] = receipt
        self._forget()
        self._wake()

    def end(self) -> None:
        """Tell that nothing more will be told."""
        self.over = True
        self._wake()

    def since(self, last_id: str | None) -> list[UtteranceEvent]:
        """What is newer than that; everything as it stands when that is too long ago."""
        epoch, _, number = (last_id or "").partition("-")
        if epoch == self._epoch and number.isdecimal() and len(number) <= len(str(self._number)):
            missed = self._number - int(number)
            if 0 <= missed <= len(self._events):
                return list(self._events)[len(self._events) - missed :]
        return [UtteranceEvent(self.last_id, receipt) for receipt in self._receipts.values()]

    async def news(self) -> None:
        """Wait until something happens."""
        await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _forget(self) -> None:
        for turn_id, receipt in list(self._receipts.items()):
            over = len(self._receipts) > MAX_REMEMBERED
            if not over and self._characters <= MAX_REMEMBERED_CHARACTERS:
                return
            if receipt.state in OVER:
                self._characters -= len(receipt.text)
                del self._receipts[turn_id]
