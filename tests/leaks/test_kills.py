"""A process that is killed (`kill -9`) leaves no session open that nobody ends."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.support.leaks import SOON, Brokers, Kaltura, Visitor, at_once
from tests.support.processes import kill, wait_until

KEYS = [{"SECRET_KEY": "a-key-for-tests-of-at-least-32-characters"}, {}]


@pytest.mark.parametrize("key", KEYS, ids=["SECRET_KEY", "development"])
def test_the_next_process_ends_what_nobody_watches_and_lets_live_what_somebody_does(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], key: dict[str, str]
) -> None:
    bounds = {"SESSION_IDLE_SECONDS": "4", "MAX_CONCURRENT_SESSIONS": "3"}
    watching, gone, done, late = (next(visitors) for _ in range(4))
    with brokers(**bounds, **key) as first:
        watched = watching.opens(first, "click-1")
        left = gone.opens(first)
        unended = done.opens(first)
        refuses = {"operation": "end", "kind": "status", "status": 503}
        kaltura.plays({**refuses, "sessionId": unended["sessionId"]})
        assert done.ends(first, unended).status_code == 502
        kill(first.process)
    assert len(kaltura.open()) == 3
    kaltura.plays()
    with brokers(**bounds, **key) as second:
        again = watching.opens(second, "click-1")
        assert again.pop("secondsLeft") <= watched.pop("secondsLeft")
        assert again == watched | {"baseUrl": _mirror(second.url)}

        def has_ended_the_others() -> bool:
            assert watching.watches(second, watched)
            return kaltura.are_over(left, unended)

        wait_until("the next process ends them", has_ended_the_others, SOON)
        assert watching.says(second, watched).is_success
        assert gone.state(second, left).json()["endReason"] == "idle"
        assert done.state(second, unended).json()["endReason"] == "visitor"
        late.opens(second)
    assert kaltura.most_at_once() == 3


def test_a_session_that_was_taken_over_still_has_its_place(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    bounds = {"MAX_CONCURRENT_SESSIONS": "1"}
    with brokers(**bounds) as first:
        opened = next(visitors).opens(first)
        kill(first.process)
    with brokers(**bounds) as second:
        late = next(visitors)
        assert late.asks(second).status_code == 202
        assert kaltura.open() == {opened["sessionId"]}


def test_a_session_whose_time_ran_out_while_no_process_ran_is_ended_by_the_next(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    with brokers(SESSION_MAX_SECONDS="2") as first:
        opened = visitor.opens(first)
        kill(first.process)
    ends = datetime.fromisoformat(opened["expiresAt"]).timestamp()
    wait_until("its time is over", lambda: time.time() >= ends, SOON)
    assert kaltura.open() == {opened["sessionId"]}
    with brokers() as second:
        wait_until("it is ended", lambda: kaltura.are_over(opened), SOON)
        assert visitor.state(second, opened).json()["endReason"] == "expired"


def test_the_key_of_a_click_leads_to_a_session_though_its_process_was_killed_while_opening_it(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    kaltura.plays({"operation": "init-client", "kind": "hang"})
    with at_once(1) as hands, brokers() as first:
        lost = hands.submit(visitor.asks, first, "click-1")
        wait_until("it is asked for its media", lambda: kaltura.calls("init-client") == 1, SOON)
        kill(first.process)
        assert lost.exception() is not None
    kaltura.plays()
    with brokers() as second:
        opened = visitor.opens(second, "click-1")
        assert visitor.says(second, opened).is_success
        wait_until("it is the only one", lambda: kaltura.open() == {opened["sessionId"]}, SOON)


def test_only_creates_under_way_at_the_kill_can_leave_a_session_behind(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    bounds = {"SESSION_IDLE_SECONDS": "1", "MAX_CONCURRENT_SESSIONS": "20"}
    with at_once(5) as hands, brokers(**bounds) as first:
        known = [next(visitors).opens(first) for _ in range(4)]
        kaltura.plays({"operation": "create", "kind": "delay", "seconds": 9})
        cut = [hands.submit(next(visitors).asks, first) for _ in range(5)]
        wait_until("Kaltura has opened theirs", lambda: len(kaltura.sessions()) == 9, SOON)
        kill(first.process)
        assert all(one.exception() is not None for one in cut)
    with brokers(**bounds):
        wait_until("what was known is ended", lambda: kaltura.are_over(*known), SOON)


def _mirror(url: str) -> str:
    return f"{url}/v1/avatar-session"
