"""What the doctor finds, step by step, and how it is told."""

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TextIO

import structlog

log = structlog.get_logger(__name__)


class Verdict(StrEnum):
    """How a step went."""

    WELL = "well"
    WARNING = "warning"
    WRONG = "wrong"
    UNTRIED = "untried"


@dataclass(frozen=True)
class Finding:
    """One step: what was seen, and where it is wrong what mends it."""

    step: str
    verdict: Verdict
    text: str
    fix: str = ""
    milliseconds: float | None = None


class Trouble(Exception):  # noqa: N818 - what a check finds, not a fault of the check
    """What a check raises: what was seen, and what mends it."""

    def __init__(self, text: str, fix: str = "", *, verdict: Verdict = Verdict.WRONG) -> None:
        super().__init__(text)
        self.text = text
        self.fix = fix
        self.verdict = verdict


class Findings:
    """Carries checks out, one after the other, and tells of each as soon as it is known.

    What does not depend on a check that failed goes on, so that one run names all that is wrong.
    """

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self._tell = tell
        self.all: list[Finding] = []

    @property
    def all_is_well(self) -> bool:
        """Whether nothing is wrong; a warning is not."""
        return all(finding.verdict is not Verdict.WRONG for finding in self.all)

    def went_well(self, step: str) -> bool:
        """Whether a step was tried, and nothing in it was wrong."""
        verdicts = {finding.verdict for finding in self.all if finding.step == step}
        return bool(verdicts) and verdicts <= {Verdict.WELL, Verdict.WARNING}

    def add(self, finding: Finding) -> None:
        """Note a finding, and tell of it."""
        self.all.append(finding)
        self._tell(finding)

    async def check(
        self, step: str, look: Callable[[], Awaitable[str]], *, needs: Sequence[str] = ()
    ) -> bool:
        """Whether `look` finds nothing wrong; not tried when a step that it needs was not well."""
        missing = next((name for name in needs if not self.went_well(name)), None)
        if missing is not None:
            self.add(Finding(step, Verdict.UNTRIED, f"not tried: it needs {missing}"))
            return False
        started = time.perf_counter()
        verdict, fix = Verdict.WELL, ""
        try:
            text = await look()
        except Trouble as trouble:
            verdict, text, fix = trouble.verdict, trouble.text, trouble.fix
        except Exception as error:
            # Whatever it is, the other checks shall still be made.
            log.exception("a check failed")
            verdict, text = Verdict.WRONG, f"it could not be checked ({type(error).__name__})"
        milliseconds = (time.perf_counter() - started) * 1000
        self.add(Finding(step, verdict, text, fix, round(milliseconds, 1)))
        return self.went_well(step)


_MARKS: Final = {
    Verdict.WELL: ("\N{CHECK MARK}", "32"),
    Verdict.WARNING: ("!", "33"),
    Verdict.WRONG: ("\N{BALLOT X}", "31"),
    Verdict.UNTRIED: ("\N{EN DASH}", "2"),
}
_NAME_WIDTH: Final = 12
_TIME_WIDTH: Final = 8


def in_lines(stream: TextIO | None = None) -> Callable[[Finding], None]:
    """Tells each finding as a line, and its fix below it; in colour where a person looks."""
    stream = stream or sys.stdout
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def tell(finding: Finding) -> None:
        mark, colour = _MARKS[finding.verdict]
        if coloured:
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        took = "" if finding.milliseconds is None else f"{finding.milliseconds:.0f} ms"
        line = f"{mark} {finding.step:<{_NAME_WIDTH}} {took:>{_TIME_WIDTH}}  {finding.text}"
        print(line, file=stream, flush=True)
        if finding.fix:
            print(f"{'':>{_NAME_WIDTH + _TIME_WIDTH + 5}}{finding.fix}", file=stream, flush=True)

    return tell


def as_json(findings: Findings) -> str:
    """All findings for a machine."""
    steps = [
        {
            "step": finding.step,
            "verdict": finding.verdict.value,
            "text": finding.text,
            "fix": finding.fix,
            "milliseconds": finding.milliseconds,
        }
        for finding in findings.all
    ]
    return json.dumps({"well": findings.all_is_well, "steps": steps}, indent=2)
