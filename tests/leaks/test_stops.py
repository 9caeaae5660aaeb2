"""A process that is asked to stop (SIGTERM) leaves no session open, whatever goes on."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.main import SHUTDOWN_SECONDS
from app.server.process import GRACE_SECONDS
from tests.support.leaks import (
    DATABASE,
    SOON,
    Brokers,
    Kaltura,
    Visitor,
    at_once,
    locked,
    on_record,
)
from tests.support.processes import Running, stop, wait_until

VISITORS = 20
ROOM = {"MAX_CONCURRENT_SESSIONS": str(VISITORS)}
FORESEEN = {200, 201, 202, 410, 503}
"""What calls are answered while a process stops: as ever, that it is over, or not now."""


def test_a_stop_under_load_ends_every_session_in_time(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    kaltura.plays({"operation": "say-text", "kind": "delay", "seconds": 0.3})
    answers: Counter[int] = Counter()
    with at_once(VISITORS) as hands, brokers(**ROOM) as broker:
        for visitor in (next(visitors) for _ in range(VISITORS)):
            hands.submit(_comes_again_and_again, visitor, broker, answers)
        wait_until("they talk", lambda: kaltura.calls("say-text") > VISITORS, SOON)
        asked = time.monotonic()
        assert stop(broker.process) == 0
        assert time.monotonic() - asked < GRACE_SECONDS + SHUTDOWN_SECONDS
    assert kaltura.open() == set()
    assert answers.keys() <= FORESEEN, answers


@pytest.mark.parametrize(("timeout_seconds", "told"), [(10, 503), (1, 504)])
def test_a_stop_ends_what_is_just_being_opened_or_was_given_up(
    brokers: Brokers,
    kaltura: Kaltura,
    visitors: Iterator[Visitor],
    timeout_seconds: int,
    told: int,
) -> None:
    seconds = GRACE_SECONDS + 1
    kaltura.plays({"operation": "create", "kind": "delay", "seconds": seconds})
    with at_once(3) as hands, brokers(UPSTREAM_TIMEOUT_SECONDS=str(timeout_seconds)) as broker:
        asked = [hands.submit(next(visitors).asks, broker) for _ in range(3)]
        wait_until("Kaltura has opened them", lambda: len(kaltura.open()) == 3, SOON)
        if timeout_seconds < seconds:
            assert {one.result().status_code for one in asked} == {told}
        assert stop(broker.process) == 0
        assert {one.result().status_code for one in asked} == {told}
    assert kaltura.open() == set()


def test_a_stop_waits_until_it_is_on_record_that_all_is_ended(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    kaltura.plays({"operation": "end", "kind": "delay", "seconds": 1})
    with brokers() as broker:
        next(visitors).opens(broker)
        broker.process.terminate()
        wait_until("it is being ended", lambda: not kaltura.open(), SOON)
        with locked(tmp_path / DATABASE), pytest.raises(subprocess.TimeoutExpired):
            broker.process.wait(3)
        assert broker.process.wait(SOON) == 0
    assert on_record(tmp_path / DATABASE) == set()


def test_sessions_that_are_to_be_kept_are_taken_over_by_the_next_start(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    with brokers(SHUTDOWN_SESSIONS="keep") as first:
        opened = visitor.opens(first)
        assert stop(first.process) == 0
    assert kaltura.open() == {opened["sessionId"]}
    with brokers() as second:
        assert visitor.says(second, opened).is_success
    assert kaltura.open() == set()


def _comes_again_and_again(visitor: Visitor, broker: Running, answers: Counter[int]) -> None:
    """Opens, speaks and ends until there is nobody to answer."""
    try:
        while True:
            created = visitor.asks(broker)
            answers[created.status_code] += 1
            if created.status_code == 201:
                opened = created.json()
                for call in (visitor.says, visitor.says, visitor.ends):
                    answers[call(broker, opened).status_code] += 1
    except httpx.TransportError:
        return
