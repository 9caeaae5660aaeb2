"""The outcome of a soak test, and the guarantees that it shows to be broken."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

UNANSWERED: Final = frozenset({"LostAnswerError", "TimedOutError"})
"""The outcomes that the broker logs for a create without an answer."""

PLAYED: Final = "kaltura refuses the broker's credentials"
"""How the error begins that the soak's own faults cause: Kaltura answers 401."""


@dataclass(frozen=True)
class UpstreamSession:
    """One session as the emulator knows it; times are unix seconds.

    `answered` tells whether the emulator answered its create; the broker may not have read it.
    """

    session_id: str
    created_at: float
    ended_at: float | None
    answered: bool

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Self:
        """A session as `/emulator/sessions` shows it."""
        return cls(
            session_id=shown["sessionId"],
            created_at=shown["createdAt"],
            ended_at=shown["endedAt"],
            answered=shown["calls"][0]["status"] is not None,
        )


@dataclass(frozen=True)
class SoakOutcome:
    """The emulator's sessions, compared with the broker's record of them.

    A session is unknown when the broker never learned its id: the answer to create was lost, or
    the broker was killed before it could write the id down. The broker can't end such a session.
    """

    upstream: list[UpstreamSession]
    record: dict[str, bool]
    """Every session that the broker knew of, and whether it has recorded its end at Kaltura."""

    killed_at: list[float]
    answer_seconds: float
    """The longest time that the broker waits for an answer to create."""

    log: list[dict[str, Any]]
    cap: int
    exit_code: int

    @property
    def left_open(self) -> int:
        """How many sessions that the broker knew of are still open at the emulator."""
        return sum(s.ended_at is None and s.session_id in self.record for s in self.upstream)

    @property
    def unknown(self) -> list[UpstreamSession]:
        """The sessions that the broker never knew of."""
        return [s for s in self.upstream if s.session_id not in self.record]

    @property
    def lost(self) -> int:
        """How many unknown sessions' creates were not answered."""
        return sum(not session.answered for session in self.unknown)

    @property
    def cut(self) -> int:
        """How many other unknown sessions' creates were under way when the broker was killed."""
        return sum(session.answered and self._was_cut(session) for session in self.unknown)

    @property
    def highest(self) -> int:
        """The largest number of known sessions that were open at the same time."""
        known = [s for s in self.upstream if s.session_id in self.record]
        return most_at_once((session.created_at, session.ended_at) for session in known)

    def broken(self) -> list[str]:
        """The broken guarantees, each as a sentence."""
        unanswered = sum(
            line.get("operation") == "create" and line.get("outcome") in UNANSWERED
            for line in self.log
        )
        errors = Counter(
            line["event"]
            for line in self.log
            if line.get("level") == "error" and not line["event"].startswith(PLAYED)
        )
        promises = {
            f"{self.left_open} sessions were left open": self.left_open == 0,
            "the record has sessions that are not ended": all(self.record.values()),
            "sessions are unknown that no lost answer and no kill explains": (
                len(self.unknown) - self.cut <= unanswered
            ),
            f"{self.highest} sessions were open at once, {self.cap} may be": (
                self.highest <= self.cap
            ),
            f"the broker stopped with exit code {self.exit_code}": self.exit_code == 0,
            f"the broker logged errors: {dict(errors)}": not errors,
        }
        return [words for words, kept in promises.items() if not kept]

    def _was_cut(self, session: UpstreamSession) -> bool:
        return any(0 <= at - session.created_at <= self.answer_seconds for at in self.killed_at)


def most_at_once(spans: Iterable[tuple[float, float | None]]) -> int:
    """The largest number of spans that overlap; each is a begin and an end, or None for no end."""
    changes: list[tuple[float, int]] = []
    for begin, end in spans:
        changes += [(begin, 1)] if end is None else [(begin, 1), (end, -1)]
    # Sorted so that at one moment ends come before begins.
    return max(itertools.accumulate(change for _, change in sorted(changes)), default=0)
