"""What Kaltura has of one session's speech, and when each of it should begin and be over.

Kaltura tells of neither (reference 1.1), so time is counted from what was measured or assumed, and
corrected by a player that hears the voice.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from app.sessions.speech.utterances import Utterance
from app.sessions.speech.voice.pace import Pace

AHEAD_SECONDS: Final = 5.0
"""The next piece goes upstream when so much of those before it is still to be said.

Enough that a voice never waits for the next sentence, and little enough to be stopped: Kaltura
may go on with what it has (reference D8).
"""

MAX_AHEAD: Final = 8
"""Pieces that Kaltura may have at the same time."""

BELIEVED: Final = 0.4
"""An end that is heard after less than this share of the time assumed is a pause for breath."""


@dataclass
class PlayingChunk:
    """One piece that Kaltura took; seconds of a clock that never jumps."""

    utterance: Utterance
    begins: float
    seconds: float
    assumed: bool
    """Whether nobody measured how long it is."""

    @property
    def ends(self) -> float:
        """When it should be over."""
        return self.begins + self.seconds


class Playback:
    """The pieces in Kaltura's hands, in order."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._sounds: deque[PlayingChunk] = deque()

    def __len__(self) -> int:
        return len(self._sounds)

    def add(self, utterance: Utterance, text: str, measured: float | None, now: float) -> None:
        """Kaltura took a piece; it says it when it has said those before it."""
        seconds = self.pace.seconds(text) if measured is None else measured
        begins = max(now, self._sounds[-1].ends) if self._sounds else now
        self._sounds.append(PlayingChunk(utterance, begins, seconds, measured is None))
        utterance.upstream += 1

    def has_room(self, now: float) -> bool:
        """Whether another may be sent."""
        return len(self) < MAX_AHEAD and self.seconds_to_room(now) < 0

    def seconds_to_room(self, now: float) -> float:
        """Until so little is to be said that another may be sent; less than 0 when that is now."""
        left = max(0.0, self._sounds[-1].ends - now) if self._sounds else 0.0
        return left - AHEAD_SECONDS

    def speaking(self, now: float) -> PlayingChunk | None:
        """What is being said."""
        return self._sounds[0] if self._sounds and self._sounds[0].begins <= now else None

    def finished(self, now: float) -> PlayingChunk | None:
        """The first of those that should be over, which is forgotten with that."""
        if not self._sounds or self._sounds[0].ends > now:
            return None
        return self._pop()

    def next_change(self) -> float | None:
        """When the first of them should be over."""
        return self._sounds[0].ends if self._sounds else None

    def heard_begin(self, utterance: Utterance, now: float) -> list[Utterance]:
        """A player hears an utterance begin; those before it are over, and returned."""
        if not any(sound.utterance is utterance for sound in self._sounds):
            return []
        over = []
        while self._sounds[0].utterance is not utterance:
            over.append(self._pop().utterance)
        if over or utterance.receipt.started_at is None:
            self._move(now - self._sounds[0].begins)
        return over

    def heard_end(self, utterance: Utterance, now: float) -> list[Utterance]:
        """A player hears an utterance end; it is over, and returned, if that can be."""
        own = [sound for sound in self._sounds if sound.utterance is utterance]
        if not own or self._sounds[0].utterance is not utterance:
            return []
        assumed, took = own[-1].ends - own[0].begins, now - own[0].begins
        if took < BELIEVED * assumed:
            return []
        if all(sound.assumed for sound in own):
            self.pace.learn(assumed, took)
        for _ in own:
            self._pop()
        if self._sounds:
            self._move(now - self._sounds[0].begins)
        return [utterance]

    def clear(self) -> list[Utterance]:
        """Forget all of it, since it was stopped; whose it was."""
        stopped = [sound.utterance for sound in self._sounds]
        while self._sounds:
            self._pop()
        return list(dict.fromkeys(stopped))

    def _pop(self) -> PlayingChunk:
        sound = self._sounds.popleft()
        sound.utterance.upstream -= 1
        return sound

    def _move(self, seconds: float) -> None:
        for sound in self._sounds:
            sound.begins += seconds
