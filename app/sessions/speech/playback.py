"""Estimates when Kaltura begins and ends each chunk of one session's speech that it has.

Kaltura reports neither (reference 1.1), so times are measured or estimated lengths added up,
corrected by what a player hears.
"""

from dataclasses import dataclass
from typing import Final

from app.sessions.speech.utterances import Utterance
from app.sessions.speech.voice.speaking_rate import SpeakingRate

AHEAD_SECONDS: Final = 5.0
"""Seconds of speech left at Kaltura below which the next chunk is sent.

Enough that the voice never waits for the next sentence, and little enough to be stopped: Kaltura
may continue with chunks that it has (reference D8).
"""

MAX_AHEAD: Final = 8
"""Chunks that Kaltura may have at the same time."""

MIN_HEARD_SHARE: Final = 0.4
"""Share of the estimated time before which an end that a player hears is taken for a pause."""


@dataclass(slots=True)
class PlayingChunk:
    """One chunk that Kaltura took; times are seconds of a clock that never jumps."""

    utterance: Utterance
    begins: float
    seconds: float
    assumed: bool
    """Whether the length is an estimate instead of measured."""

    @property
    def ends(self) -> float:
        """The time at which the chunk should be over."""
        return self.begins + self.seconds


class Playback:
    """The chunks that Kaltura has and has not finished, in order."""

    def __init__(self) -> None:
        self.speaking_rate = SpeakingRate()
        self._chunks: list[PlayingChunk] = []

    def __len__(self) -> int:
        return len(self._chunks)

    def add(self, utterance: Utterance, text: str, measured: float | None, now: float) -> None:
        """Add a chunk that Kaltura took; it begins when those before it are over."""
        seconds = self.speaking_rate.seconds(text) if measured is None else measured
        begins = max(now, self._chunks[-1].ends) if self._chunks else now
        self._chunks.append(PlayingChunk(utterance, begins, seconds, measured is None))
        utterance.upstream += 1

    def has_room(self, now: float) -> bool:
        """Whether another chunk may be sent."""
        return len(self) < MAX_AHEAD and self.seconds_to_room(now) < 0

    def seconds_to_room(self, now: float) -> float:
        """Seconds until another chunk may be sent; negative when it may be sent now."""
        left = max(0.0, self._chunks[-1].ends - now) if self._chunks else 0.0
        return left - AHEAD_SECONDS

    def speaking(self, now: float) -> PlayingChunk | None:
        """The chunk that is being said; None when there is none."""
        return self._chunks[0] if self._chunks and self._chunks[0].begins <= now else None

    def finished(self, now: float) -> PlayingChunk | None:
        """Remove and return the first chunk if it should be over by now."""
        if not self._chunks or self._chunks[0].ends > now:
            return None
        return self._pop()

    def next_change(self) -> float | None:
        """The time at which the first chunk should be over; None without chunks."""
        return self._chunks[0].ends if self._chunks else None

    def heard_begin(self, utterance: Utterance, now: float) -> list[Utterance]:
        """Note that a player hears an utterance begin; remove and return those before it."""
        if not any(chunk.utterance is utterance for chunk in self._chunks):
            return []
        over = []
        while self._chunks[0].utterance is not utterance:
            over.append(self._pop().utterance)
        if over or utterance.receipt.started_at is None:
            self._shift(now - self._chunks[0].begins)
        return over

    def heard_end(self, utterance: Utterance, now: float) -> list[Utterance]:
        """Note that a player hears an utterance end; remove and return it if that is plausible."""
        own = [chunk for chunk in self._chunks if chunk.utterance is utterance]
        if not own or self._chunks[0].utterance is not utterance:
            return []
        estimated, took = own[-1].ends - own[0].begins, now - own[0].begins
        if took < MIN_HEARD_SHARE * estimated:
            return []
        if all(chunk.assumed for chunk in own):
            self.speaking_rate.learn(estimated, took)
        for _ in own:
            self._pop()
        if self._chunks:
            self._shift(now - self._chunks[0].begins)
        return [utterance]

    def clear(self) -> list[Utterance]:
        """Remove every chunk after a Stop; return their utterances."""
        stopped = [chunk.utterance for chunk in self._chunks]
        while self._chunks:
            self._pop()
        return list(dict.fromkeys(stopped))

    def _pop(self) -> PlayingChunk:
        chunk = self._chunks.pop(0)
        chunk.utterance.upstream -= 1
        return chunk

    def _shift(self, seconds: float) -> None:
        for chunk in self._chunks:
            chunk.begins += seconds
