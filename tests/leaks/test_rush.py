"""However many come at once, no more sessions are open than may be."""

from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

from tests.support.leaks import DATABASE, SOON, Brokers, Kaltura, Opened, Visitor, at_once, locked
from tests.support.processes import Running, wait_until

CAP = 5
RUSH = 30


def test_a_session_takes_one_place_also_while_it_is_written_down(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    kaltura.plays({"operation": "create", "kind": "delay", "seconds": 1, "times": 1})
    with at_once(2) as hands, brokers(MAX_CONCURRENT_SESSIONS="2") as broker:
        first = hands.submit(next(visitors).opens, broker)
        wait_until("Kaltura opens the first", lambda: len(kaltura.open()) == 1, SOON)
        with locked(tmp_path / DATABASE):
            wait_until("it can't be written down", lambda: _has_answered(kaltura), SOON)
            second = hands.submit(next(visitors).opens, broker)
            # A place in line would be had at once; what has a place waits for the database.
            assert not wait([second], 1).done
        assert first.result() != second.result()


def test_a_rush_is_let_in_one_by_one_in_the_order_of_the_line(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    came: list[int] = []
    inside: list[tuple[Visitor, Opened]] = []

    def comes_in(visitor: Visitor, opened: Opened, position: int) -> None:
        came.append(position)
        inside.append((visitor, opened))

    def waits(broker: Running, visitor: Visitor, ticket: str, position: int) -> None:
        visitor.waits(broker, ticket)
        comes_in(visitor, visitor.opens(broker), position)

    with at_once(RUSH) as hands, brokers(MAX_CONCURRENT_SESSIONS=str(CAP)) as broker:
        rush = [next(visitors) for _ in range(RUSH)]
        waiting = []
        for visitor, answer in zip(
            rush, hands.map(lambda one: one.asks(broker), rush), strict=True
        ):
            told = answer.json()
            if answer.status_code == 201:
                comes_in(visitor, told, 0)
            else:
                assert answer.status_code == 202
                place = told["ticket"], told["position"]
                waiting.append(hands.submit(waits, broker, visitor, *place))
        assert came == [0] * CAP
        while len(came) < RUSH:
            visitor, opened = inside.pop(0)
            assert visitor.ends(broker, opened).is_success
            wait_until("the next comes in", lambda: len(inside) == CAP, SOON)
        for one in waiting:
            one.result()
    assert came[CAP:] == list(range(1, RUSH - CAP + 1))
    assert kaltura.most_at_once() == CAP


def _has_answered(kaltura: Kaltura) -> bool:
    """Whether the first create has its answer."""
    (session,) = kaltura.sessions().values()
    return any(call["status"] for call in session["calls"])
