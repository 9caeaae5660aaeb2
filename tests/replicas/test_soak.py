"""Replicas under load and faults: a short run keeps every promise, and a broken one is told."""

import re
import sys
from dataclasses import replace

import pytest

from bench.soak import __main__ as command
from bench.soak.history import RULES, Call, History, Said
from bench.soak.replicas_run import Load, ReplicaReport, soak_replicas
from bench.soak.tally import Tally

HISTORY = History(
    calls=(Call("ada", "speak", 1, 2, 200, "s1", marks=("m1",)),),
    upstream=(),
    said={},
    told={"m1": "interrupted"},
    failed_at={},
    recorded=frozenset({"s1"}),
    faults=(),
    cap=1,
    session_seconds=900,
    answer_seconds=2,
)
KEPT = ReplicaReport(Tally(), HISTORY, {"kill": 1}, [0, 0], list(RULES))


LOAD = Load(visitors=10, length_seconds=(3, 8), rest_seconds=2, idle_seconds=20)


@pytest.mark.process
async def test_a_short_run_with_a_crash_keeps_every_promise() -> None:
    report = await soak_replicas(12, 1, count=3, rules=list(RULES), faults=["kill"], load=LOAD)
    assert report.broken == []
    assert report.played["kill"] >= 1
    assert sum(map(len, report.history.said.values())) > 10


def test_broken_rules_failures_without_a_name_and_stops_that_failed_are_told() -> None:
    assert KEPT.broken == []
    tally = Tally()
    tally.answered(500, {})
    told = replace(KEPT, history=replace(HISTORY, told={"m1": "done"}), tally=tally, exit_codes=[9])
    for words, expected in zip(
        told.broken,
        ("accepted-texts-said-or-told: m1 was told done", "1 times: 500", "exited with [9]"),
        strict=True,
    ):
        assert expected in words


def test_texts_are_counted_by_what_became_of_them() -> None:
    calls = [
        Call("ada", "speak", 1, 2, status, "s1", marks=marks)
        for status, marks in [(200, ("m1",)), (200, ("m2", "m3")), (200, ("m4",)), (503, ("m5",))]
    ]
    said: dict[str, tuple[Said, ...]] = {"s1": (Said("m2", 3), Said("m4", 4), Said("m5", 5))}
    history = replace(HISTORY, calls=tuple(calls), said=said)
    assert replace(KEPT, history=history).fates == {"interrupted": 1, "said": 1, "nothing told": 1}


@pytest.mark.parametrize(
    ("arguments", "rules", "faults"),
    [
        ([], list(RULES), ["kill", "pause"]),
        (["--rules", "cap,no-text-twice", "--faults", ""], ["cap", "no-text-twice"], []),
    ],
)
def test_rules_and_faults_are_chosen_by_name(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    rules: list[str],
    faults: list[str],
) -> None:
    async def soak(_seconds: float, _seed: int, **chosen: object) -> ReplicaReport:
        assert (chosen["count"], chosen["rules"]) == (3, rules)
        assert isinstance(chosen["faults"], list)
        assert chosen["faults"][:2] == faults
        return replace(KEPT, exit_codes=[1])

    monkeypatch.setattr(command, "soak_replicas", soak)
    monkeypatch.setattr(sys, "argv", ["bench.soak", "--replicas", "3", *arguments])
    assert command.main() == 1
    printed = capsys.readouterr().out
    assert re.search(r"^fault: kill +1$", printed, re.MULTILINE)
    assert "BROKEN: replicas that were asked to stop exited with [1]" in printed


def test_in_a_rush_each_visitor_comes_once_and_those_who_got_a_session_are_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    creates = (
        Call("ada", "create-avatar-session", 1, 2, 201, "s1"),
        Call("bob", "create-avatar-session", 1, 9, 202, ticket="t"),
    )

    async def soak(seconds: float, _seed: int, *, load: Load, **_: object) -> ReplicaReport:
        assert (seconds, load.visitors, load.cap, load.is_silent) == (0, 300, 20, True)
        return replace(KEPT, history=replace(HISTORY, calls=creates))

    monkeypatch.setattr(command, "soak_replicas", soak)
    monkeypatch.setattr(sys, "argv", ["bench.soak", "--replicas", "3", "--rush", "300"])
    command.main()
    assert re.search(r"^visitors served +1  in 8 s$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--rules", "none"], ["--faults", "kill,none"]])
def test_a_rule_or_fault_that_does_not_exist_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.soak", *arguments])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no none" in capsys.readouterr().err
