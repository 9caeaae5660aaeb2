"""What is left when all is quiet, and which promises were broken."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

UNANSWERED: Final = frozenset({"LostAnswerError", "TimedOutError"})
"""How the broker logs a create whose answer did not come."""


@dataclass(frozen=True)
class Upstream:
    """One session as the emulator has it; times are unix seconds.

    `answered` is whether its create was; nobody may have been there any more to read it.
    """

    session_id: str
    created_at: float
    ended_at: float | None
    answered: bool

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Self:
        """From `/emulator/sessions`."""
        return cls(
            session_id=shown["sessionId"],
            created_at=shown["createdAt"],
            ended_at=shown["endedAt"],
            answered=shown["calls"][0]["status"] is not None,
        )


@dataclass(frozen=True)
class Findings:
    """Kaltura's sessions beside the broker's record of them.

    A session is unknown when the broker never learned its id: the answer to create was lost, or
    a kill came before it could be written down. Nobody can end such a session.
    """

    upstream: list[Upstream]
    record: dict[str, bool]
    """Every session that the broker knew of, and whether it takes it for ended at Kaltura."""

    killed_at: list[float]
    answer_seconds: float
    """The longest that an answer to create may be waited for."""

    log: list[dict[str, Any]]
    cap: int
    exit_code: int

    @property
    def left_open(self) -> int:
        """Sessions that the broker knew of and that Kaltura still has open."""
        return sum(s.ended_at is None and s.session_id in self.record for s in self.upstream)

    @property
    def unknown(self) -> list[Upstream]:
        """Sessions that the broker never knew of."""
        return [s for s in self.upstream if s.session_id not in self.record]

    @property
    def lost(self) -> int:
        """Unknown sessions whose create had no answer."""
        return sum(not session.answered for session in self.unknown)

    @property
    def cut(self) -> int:
        """Other unknown sessions, whose create was under way when the broker was killed."""
        return sum(session.answered and self._was_cut(session) for session in self.unknown)

    @property
    def highest(self) -> int:
        """How many were open at the same time, at the most, of those that the broker knew of."""
        known = [s for s in self.upstream if s.session_id in self.record]
        return most_at_once((session.created_at, session.ended_at) for session in known)

    def broken(self) -> list[str]:
        """The promises that were not kept, in words."""
        unanswered = sum(
            line.get("operation") == "create" and line["outcome"] in UNANSWERED for line in self.log
        )
        errors = Counter(line["event"] for line in self.log if line.get("level") == "error")
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

    def _was_cut(self, session: Upstream) -> bool:
        return any(0 <= at - session.created_at <= self.answer_seconds for at in self.killed_at)


def most_at_once(spans: Iterable[tuple[float, float | None]]) -> int:
    """How many of these times share a moment; each is from when to when, or without an end."""
    changes: list[tuple[float, int]] = []
    for begin, end in spans:
        changes += [(begin, 1)] if end is None else [(begin, 1), (end, -1)]
    # In one moment those who leave make room for those who come.
    return max(itertools.accumulate(change for _, change in sorted(changes)), default=0)
