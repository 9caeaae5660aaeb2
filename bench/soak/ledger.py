"""What visitors were answered, and what of it no promise allows for."""

from collections import Counter
from http import HTTPStatus
from typing import Any, Final

from app.problems import PROBLEMS

NO_ANSWER: Final = "no answer"

_DOCUMENTED: Final = {(problem.status, f"/problems/{problem.name}") for problem in PROBLEMS}


class Ledger:
    """Notes of a run."""

    def __init__(self) -> None:
        self.visitors = 0
        self.answers: Counter[str] = Counter()
        self.surprises: Counter[str] = Counter()

    def answered(self, status: int, content: Any) -> None:
        """Note an answer; a failure of the server's must be one of the documented problems."""
        if status < HTTPStatus.BAD_REQUEST:
            self.answers[str(status)] += 1
            return
        kind = content.get("type") if isinstance(content, dict) else None
        self.answers[f"{status} {str(kind).removeprefix('/problems/')}"] += 1
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and (status, kind) not in _DOCUMENTED:
            self.surprises[f"{status} {kind}, which is no documented problem"] += 1

    def unanswered(self) -> None:
        """Note that there was no answer, as when the broker is killed."""
        self.answers[NO_ANSWER] += 1

    def expect(self, promise: str, *, kept: bool) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.surprises[promise] += 1
