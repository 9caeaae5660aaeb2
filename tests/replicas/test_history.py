"""The checker of histories: a good history breaks no rule, and each fault breaks just its own."""

from dataclasses import replace
from typing import Any

import pytest

from bench.soak.history import (
    CREATE,
    END,
    PLACE,
    RULES,
    SPEAK,
    STOP,
    UTTERANCES,
    Call,
    History,
    Said,
    check,
    longest_gap_seconds,
)
from bench.soak.outcome import UpstreamSession

OPENED = Call("ada", CREATE, 0, 1, 201, "s1", key="click")
OPENED_AGAIN = replace(OPENED, start=1, end=2)
FIRST = Call("ada", SPEAK, 2, 3, 200, "s1", marks=("m1", "m2"))
SECOND = Call("ada", SPEAK, 3, 4, 200, "s1", marks=("m3",))
UNSAID = Call("ada", SPEAK, 4, 5, 200, "s1", marks=("m4",))
STOPPED = Call("ada", STOP, 6, 7, 200, "s1")
AFTER_STOP = Call("ada", SPEAK, 8, 9, 200, "s1", marks=("m5",))
ASKED = Call("ada", UTTERANCES, 18, 19, 200, "s1")
ENDED = Call("ada", END, 20, 21, 200, "s1")
LATE = Call("ada", SPEAK, 22, 23, 410, "s1", marks=("m6",))
BEN = Call("ben", CREATE, 2, 3, 202, ticket="t1")
BEN_WAITS = Call("ben", PLACE, 10, 11, 200, ticket="t1")
BEN_IS_CALLED = Call("ben", PLACE, 20, 22, 200, ticket="t1", is_turn=True)
CLEO = Call("cleo", CREATE, 4, 5, 202, ticket="t2")
CLEO_IS_CALLED = Call("cleo", PLACE, 22, 23, 200, ticket="t2", is_turn=True)
CALLS = (
    *(OPENED, OPENED_AGAIN, FIRST, SECOND, UNSAID, STOPPED, AFTER_STOP, ASKED, ENDED, LATE),
    *(BEN, BEN_WAITS, BEN_IS_CALLED, CLEO, CLEO_IS_CALLED),
)
SESSION = UpstreamSession("s1", created_at=0.5, ended_at=20.5, answered=True)
UNANSWERED = UpstreamSession("s2", created_at=5, ended_at=None, answered=False)
CUT = UpstreamSession("s3", created_at=29, ended_at=None, answered=True)
SAID = (Said("m1", 2.5), Said("m2", 2.6), Said("m3", 3.5), Said("m5", 8.5))
KEPT = History(
    calls=CALLS,
    upstream=(SESSION, UNANSWERED, CUT),
    said={"s1": SAID},
    told={"m1": "done", "m4": "interrupted"},
    failed_at={"m4": 9},
    recorded=frozenset({"s1"}),
    faults=((30, 35),),
    cap=1,
    session_seconds=900,
    answer_seconds=2,
)


def with_call(call: Call, **changes: Any) -> dict[str, Any]:
    """The same calls, but this one was answered otherwise."""
    return {"calls": tuple(replace(each, **changes) if each is call else each for each in CALLS)}


def with_said(*said: Said) -> dict[str, Any]:
    return {"said": {"s1": said}}


def without(*calls: Call) -> dict[str, Any]:
    return {"calls": tuple(each for each in CALLS if each not in calls)}


def test_a_history_in_which_all_is_well_breaks_no_rule() -> None:
    assert check(KEPT, RULES) == {}


M1, M2, M3, M5 = SAID


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("no-text-twice", with_said(*SAID, replace(M5, at=9.5))),
        ("no-text-twice", {"said": {"s1": SAID, "s9": (M1,)}}),
        ("texts-in-order", with_said(M3, M1, M2, M5)),
        ("texts-in-order", with_said(M2, M1, M3, M5)),
        ("accepted-texts-said-or-told", {**without(STOPPED, ENDED, LATE), "told": {}}),
        (
            "accepted-texts-said-or-told",
            {**without(STOPPED, ENDED, LATE), "told": {"m4": "queued"}},
        ),
        ("accepted-texts-said-or-told", {**without(STOPPED), "told": {}}),
        ("accepted-texts-said-or-told", {"told": {"m4": "done"}}),
        ("cap", {"cap": 0}),
        (
            "cap",
            {
                "upstream": (SESSION, replace(SESSION, session_id="s4")),
                "recorded": frozenset({"s1", "s4"}),
            },
        ),
        ("none-left-open", {"upstream": (replace(SESSION, ended_at=None),)}),
        ("none-left-open", {"faults": ()}),
        ("none-left-open", {"faults": ((31.5, 35),)}),
        ("none-left-open", {"faults": ((20, 28),)}),
        ("line-in-order", with_call(CLEO_IS_CALLED, start=8, end=9)),
        ("one-key-one-session", with_call(OPENED_AGAIN, session_id="s5")),
        ("nothing-said-after-stop", with_said(M1, M2, replace(M3, at=7.5), M5)),
        ("nothing-said-after-stop", with_said(M1, M2, M3, replace(M5, at=21.5))),
        ("nothing-said-after-told-failed", {"failed_at": {"m5": 8}}),
        ("sessions-live-on", with_call(FIRST, status=404, marks=())),
        ("sessions-live-on", with_call(STOPPED, status=410)),
    ],
)
def test_each_fault_breaks_its_own_rule_and_no_other(rule: str, changes: dict[str, Any]) -> None:
    assert list(check(replace(KEPT, **changes), RULES)) == [rule]


@pytest.mark.parametrize(
    "changes",
    [
        # Whose answer was lost may have been said or not, and at any time.
        {**with_call(FIRST, status=0), **with_said(M3, M1, M5)},
        {**with_call(FIRST, status=504), **with_said(M3, M5)},
        # They were called one after the other, and heard of it at the same time.
        with_call(CLEO_IS_CALLED, start=8, end=10.5),
        # Who asks at the same time has no order.
        {**with_call(BEN, end=4.5), "cap": 1},
        # A session may last only so long.
        {**with_call(STOPPED, status=410), "session_seconds": 5},
        # What is told as not said need not be.
        {**without(STOPPED, ENDED, LATE), "told": {"m4": "failed"}},
        # An end cuts off what is to be said, and what became of it may not be asked any more.
        {**without(STOPPED), "told": {"m4": "queued"}},
        {**without(STOPPED, ASKED), "told": {}},
    ],
)
def test_what_a_caller_can_not_know_breaks_no_rule(changes: dict[str, Any]) -> None:
    assert check(replace(KEPT, **changes), RULES) == {}


def test_only_the_rules_that_are_named_are_checked() -> None:
    broken = replace(KEPT, cap=0, **with_said(*SAID, *SAID))
    assert list(check(broken, ["cap"])) == ["cap"]


def test_many_cases_of_one_rule_are_counted() -> None:
    broken = replace(KEPT, said={"s1": SAID, "s9": SAID})
    *cases, rest = check(broken, ["no-text-twice"])["no-text-twice"]
    assert (len(cases), rest) == (3, "4 cases in all")


@pytest.mark.parametrize(
    ("statuses", "seconds"),
    [
        ((200, 200), 1),
        ((200, 0, 503, 200), 7),
        ((200, 404, 200), 4),
        ((0, 410), 4),
        ((200, 0), 1),
    ],
)
def test_a_gap_in_control_lasts_from_the_first_call_in_vain_to_the_next_answer(
    statuses: tuple[int, ...], seconds: float
) -> None:
    written = Call("ada", SPEAK, -9, 0, 0, "s1", is_written=True)
    calls = [
        Call("ada", STOP, 3 * number, 3 * number + 1, status, "s1")
        for number, status in enumerate(statuses)
    ]
    calls.insert(0, written)
    assert longest_gap_seconds(replace(KEPT, calls=tuple(calls))) == seconds
