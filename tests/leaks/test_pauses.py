"""A process that stands still for a while hears of those who are there before it judges them."""

import os
import signal
import time
from collections.abc import Iterator

from tests.support.leaks import SOON, Brokers, Kaltura, Visitor, at_once
from tests.support.processes import wait_until

IDLE_SECONDS = 3


def test_a_watched_session_outlives_a_pause_and_one_that_nobody_watches_ends_after_it(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    with at_once(1) as hands, brokers(SESSION_IDLE_SECONDS=str(IDLE_SECONDS)) as broker:
        opened = visitor.opens(broker)
        os.kill(broker.process.pid, signal.SIGSTOP)
        watching = hands.submit(visitor.watches, broker, opened)
        time.sleep(IDLE_SECONDS + 1)
        os.kill(broker.process.pid, signal.SIGCONT)
        assert watching.result()
        time.sleep(1.5)
        assert kaltura.open() == {opened["sessionId"]}
        wait_until("it is idle", lambda: not kaltura.open(), SOON)
