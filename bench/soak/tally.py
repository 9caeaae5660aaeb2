"""Counts of the answers that visitors got, and of those that break a guarantee."""

from collections import Counter
from http import HTTPStatus
from typing import Any, Final

from app.problems import PROBLEMS

NO_ANSWER: Final = "no answer"

_DOCUMENTED: Final = {(problem.status, f"/problems/{problem.name}") for problem in PROBLEMS}


class Tally:
    """The counts of one soak test."""

    def __init__(self) -> None:
        self.visitors = 0
        self.answers: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()

    def answered(self, status: int, content: Any) -> None:
        """Count an answer; a 5xx that is not a documented problem is a violation."""
        if status < HTTPStatus.BAD_REQUEST:
            self.answers[str(status)] += 1
            return
        told = content if isinstance(content, dict) else {}
        kind = told.get("type")
        named = [str(kind).removeprefix("/problems/"), told.get("endReason")]
        self.answers[" ".join([str(status), *filter(None, named)])] += 1
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and (status, kind) not in _DOCUMENTED:
            self.violations[f"{status} {kind}, which is no documented problem"] += 1

    def unanswered(self) -> None:
        """Count a call without an answer, as when the broker is killed."""
        self.answers[NO_ANSWER] += 1

    def expect(self, promise: str, *, kept: bool) -> None:
        """Count a violation unless `kept`; `promise` names the guarantee."""
        if not kept:
            self.violations[promise] += 1
