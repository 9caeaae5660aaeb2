"""Running checks one after the other, and reporting their results as lines or as JSON."""

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
    """The outcome of one step."""

    WELL = "well"
    WARNING = "warning"
    WRONG = "wrong"
    UNTRIED = "untried"


@dataclass(frozen=True)
class CheckResult:
    """The result of one step: what was observed, and the fix where the verdict needs one."""

    step: str
    verdict: Verdict
    text: str
    fix: str = ""
    milliseconds: float | None = None


class CheckFailed(Exception):  # noqa: N818 - the check itself worked
    """Raised by a check that found something wrong: what was observed, and the fix."""

    def __init__(self, text: str, fix: str = "", *, verdict: Verdict = Verdict.WRONG) -> None:
        super().__init__(text)
        self.text = text
        self.fix = fix
        self.verdict = verdict


class CheckRunner:
    """Runs checks one after the other, and reports each result at once.

    Checks that do not depend on a failed one still run, so that one run names all problems.
    """

    def __init__(self, report: Callable[[CheckResult], None]) -> None:
        self._report = report
        self.results: list[CheckResult] = []

    @property
    def succeeded(self) -> bool:
        """Whether no result is wrong; warnings are allowed."""
        return all(result.verdict is not Verdict.WRONG for result in self.results)

    def passed(self, step: str) -> bool:
        """Whether a step was tried, with no result that is wrong."""
        verdicts = {result.verdict for result in self.results if result.step == step}
        return bool(verdicts) and verdicts <= {Verdict.WELL, Verdict.WARNING}

    def add(self, result: CheckResult) -> None:
        """Keep a result, and report it."""
        self.results.append(result)
        self._report(result)

    async def run(
        self, step: str, check: Callable[[], Awaitable[str]], *, needs: Sequence[str] = ()
    ) -> bool:
        """Run `check` as a step; returns whether the step passed.

        `check` returns what it observed, or raises `CheckFailed`. It is not run unless every step
        in `needs` has passed.
        """
        missing = next((name for name in needs if not self.passed(name)), None)
        if missing is not None:
            self.add(CheckResult(step, Verdict.UNTRIED, f"not tried: it needs {missing}"))
            return False
        started = time.perf_counter()
        verdict, fix = Verdict.WELL, ""
        try:
            text = await check()
        except CheckFailed as failure:
            verdict, text, fix = failure.verdict, failure.text, failure.fix
        except Exception as error:
            # A defect of one check must not stop the others.
            log.exception("a check failed")
            verdict, text = Verdict.WRONG, f"it could not be checked ({type(error).__name__})"
        milliseconds = (time.perf_counter() - started) * 1000
        self.add(CheckResult(step, verdict, text, fix, round(milliseconds, 1)))
        return self.passed(step)


_MARKS: Final = {
    Verdict.WELL: ("\N{CHECK MARK}", "32"),
    Verdict.WARNING: ("!", "33"),
    Verdict.WRONG: ("\N{BALLOT X}", "31"),
    Verdict.UNTRIED: ("\N{EN DASH}", "2"),
}
_NAME_WIDTH: Final = 12
_TIME_WIDTH: Final = 8


def line_reporter(stream: TextIO | None = None) -> Callable[[CheckResult], None]:
    """A function that prints each result as a line and its fix below; in colour on a terminal."""
    stream = stream or sys.stdout
    coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def report(result: CheckResult) -> None:
        mark, colour = _MARKS[result.verdict]
        if coloured:
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        took = "" if result.milliseconds is None else f"{result.milliseconds:.0f} ms"
        line = f"{mark} {result.step:<{_NAME_WIDTH}} {took:>{_TIME_WIDTH}}  {result.text}"
        print(line, file=stream, flush=True)
        if result.fix:
            print(f"{'':>{_NAME_WIDTH + _TIME_WIDTH + 5}}{result.fix}", file=stream, flush=True)

    return report


def as_json(checks: CheckRunner) -> str:
    """All results as a JSON document."""
    steps = [
        {
            "step": result.step,
            "verdict": result.verdict.value,
            "text": result.text,
            "fix": result.fix,
            "milliseconds": result.milliseconds,
        }
        for result in checks.results
    ]
    return json.dumps({"well": checks.succeeded, "steps": steps}, indent=2)
