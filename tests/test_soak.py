"""The soak itself: it runs, and it can tell a broken promise from a kept one."""

import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from bench.soak import __main__ as command
from bench.soak.outcome import PLAYED, SoakOutcome, UpstreamSession, most_at_once
from bench.soak.run import Report
from bench.soak.tally import Tally
from tests.support.processes import ROOT, environment

ENDED = UpstreamSession("known", created_at=100, ended_at=110, answered=True)
LOST = UpstreamSession("lost", created_at=100, ended_at=None, answered=False)
CUT = UpstreamSession("cut", created_at=119, ended_at=None, answered=True)
KEPT = SoakOutcome(
    upstream=[ENDED, LOST, CUT],
    record={"known": True},
    killed_at=[120],
    answer_seconds=2,
    log=[
        {"event": "kaltura", "level": "info", "operation": "create", "outcome": "LostAnswerError"},
        {"event": "kaltura", "level": "info", "operation": "end", "outcome": "ok"},
        {"event": f"{PLAYED}, so ...", "level": "error", "operation": "create"},
    ],
    cap=1,
    exit_code=0,
)


@pytest.mark.process
def test_a_short_soak_keeps_every_promise() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--minutes", "0.15", "--seed", "1"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for row in ("visitors", "sessions opened", "kills of the broker", "answered 201"):
        assert re.search(rf"^{row} +[1-9]", told.stdout, re.MULTILINE), told.stdout
    assert re.search(r"^left open +0 ", told.stdout, re.MULTILINE)


def test_what_a_lost_answer_or_a_kill_explains_breaks_no_promise() -> None:
    assert KEPT.broken() == []
    assert (KEPT.lost, KEPT.cut, KEPT.left_open, KEPT.highest) == (1, 1, 0, 1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"upstream": [replace(ENDED, ended_at=None)]}, "1 sessions were left open"),
        ({"record": {"known": False}}, "the record has sessions that are not ended"),
        ({"log": []}, "sessions are unknown that no lost answer and no kill explains"),
        ({"killed_at": [122]}, "sessions are unknown that no lost answer and no kill explains"),
        ({"killed_at": [118]}, "sessions are unknown that no lost answer and no kill explains"),
        ({"upstream": [ENDED], "cap": 0}, "1 sessions were open at once, 0 may be"),
        ({"exit_code": 1}, "the broker stopped with exit code 1"),
        ({"log": [*KEPT.log, {"event": "bug", "level": "error"}]}, "logged errors: {'bug': 1}"),
    ],
)
def test_a_broken_promise_is_told(changed: dict[str, Any], told: str) -> None:
    (broken,) = replace(KEPT, **changed).broken()
    assert told in broken


def test_why_a_session_was_over_is_counted_with_its_answers() -> None:
    tally = Tally()
    tally.answered(410, {"type": "/problems/session-ended", "endReason": "idle"})
    tally.answered(429, {"type": "/problems/queue-full"})
    assert tally.answers == {"410 session-ended idle": 1, "429 queue-full": 1}


@pytest.mark.parametrize(
    ("status", "content", "surprising"),
    [
        (201, {}, False),
        (410, {"type": "/problems/session-ended"}, False),
        (503, {"type": "/problems/at-capacity"}, False),
        (500, {"type": "about:blank"}, True),
        (503, {"type": "about:blank"}, True),
        (500, {"type": "/problems/at-capacity"}, True),
        (502, "<h1>Bad gateway</h1>", True),
    ],
)
def test_a_failure_that_is_no_documented_problem_is_a_surprise(
    status: int, content: Any, *, surprising: bool
) -> None:
    tally = Tally()
    tally.answered(status, content)
    assert bool(tally.violations) == surprising
    assert tally.answers.total() == 1


@pytest.mark.parametrize(
    ("spans", "most"),
    [([], 0), ([(1, 2), (2, 3)], 1), ([(1, 3), (2, 4), (3, 5)], 2), ([(1, None), (5, None)], 2)],
)
def test_those_who_leave_make_room_for_those_who_come(
    spans: list[tuple[float, float | None]], most: int
) -> None:
    assert most_at_once(spans) == most


@pytest.mark.parametrize(("exit_code", "ended_with"), [(0, 0), (3, 1)])
def test_the_soak_ends_with_1_when_a_promise_was_broken(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exit_code: int,
    ended_with: int,
) -> None:
    async def soak(_seconds: float, _seed: int) -> Report:
        outcome = replace(KEPT, exit_code=exit_code)
        return Report(Tally(), outcome, memory_at_start=1, memory_at_end=2, quiet_seconds=3)

    monkeypatch.setattr(command, "soak", soak)
    monkeypatch.setattr(sys, "argv", ["bench.soak", "--seed", "7"])
    assert command.main() == ended_with
    printed = capsys.readouterr().out
    assert "seed 7" in printed
    assert ("BROKEN: the broker stopped with exit code 3" in printed) == bool(ended_with)
