"""What was answered is on record, whatever happens to the process and to its disk."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from tests.support.leaks import DATABASE, SOON, Brokers, Kaltura, Opened, Visitor, at_once, locked
from tests.support.processes import Running, kill, wait_until

OPERATOR = {"Authorization": "Bearer an-operator-token-of-ours"}
SPEAKERS = 8


def entries(file: Path, event: str) -> list[tuple[str, str]]:
    """The request and the outcome of each entry on disk."""
    with closing(sqlite3.connect(file)) as database:
        asked = "SELECT request_id, outcome FROM audit WHERE event = ? ORDER BY id"
        return database.execute(asked, (event,)).fetchall()


def says(http: httpx.Client, broker: Running, opened: Opened, request_id: str) -> httpx.Response:
    return http.post(
        f"{broker.url}/api/avatar-sessions/{opened['sessionId']}/speak",
        headers={"Authorization": f"Bearer {opened['token']}", "X-Request-ID": request_id},
        json={"text": f"This is {request_id}."},
    )


def test_after_a_kill_every_call_that_was_answered_has_its_entry_and_none_has_two(
    brokers: Brokers, visitors: Iterator[Visitor], http: httpx.Client, tmp_path: Path
) -> None:
    bounds = {"MAX_CONCURRENT_SESSIONS": "20", "OPERATOR_TOKEN": OPERATOR["Authorization"][7:]}
    answered: list[str] = []

    def speaks(broker: Running, opened: Opened, speaker: int) -> None:
        for n in range(10_000):
            name = f"speak-{speaker}-{n}"
            try:
                if says(http, broker, opened, name).is_success:
                    answered.append(name)
            except httpx.TransportError:
                return

    with at_once(SPEAKERS) as hands, brokers(**bounds) as first:
        opened = [next(visitors).opens(first) for _ in range(SPEAKERS)]
        speaking = [hands.submit(speaks, first, one, n) for n, one in enumerate(opened)]
        wait_until("much was said", lambda: len(answered) >= 200, SOON * 3)
        kill(first.process)
        assert all(one.exception() is None for one in speaking)
    on_disk = entries(tmp_path / DATABASE, "say-text")
    found = Counter(request_id for request_id, outcome in on_disk if outcome != "queue-full")
    assert set(answered) <= found.keys()
    assert set(found.values()) == {1}
    assert len(found) <= len(answered) + SPEAKERS, "the rest was under way"
    with brokers(**bounds) as second:
        shown = http.get(
            f"{second.url}/operator/api/audit?event=say-text&limit=1000", headers=OPERATOR
        ).json()["events"]
        outcomes = Counter(event["outcome"] for event in shown)
        # What stood in line to be said, nobody knows of any more.
        assert outcomes.keys() <= {"ok", "unknown", "queue-full"}
        assert outcomes["ok"] >= SPEAKERS


def test_while_the_database_is_locked_nothing_is_said_and_afterwards_it_goes_on(
    brokers: Brokers,
    kaltura: Kaltura,
    visitors: Iterator[Visitor],
    http: httpx.Client,
    tmp_path: Path,
) -> None:
    with brokers(MAX_CONCURRENT_SESSIONS="3") as broker:
        one, other = (next(visitors).opens(broker) for _ in range(2))
        with locked(tmp_path / DATABASE), at_once(3) as hands:
            on_its_way = hands.submit(says, http, broker, one, "on-its-way")
            wait_until("it is said", lambda: kaltura.calls("say-text") == 1, SOON)
            _is_in_doubt(hands, http, broker, other)
            assert on_its_way.result().status_code == 503
            assert says(http, broker, one, "in-vain").status_code == 503
        assert kaltura.calls("say-text") == 1
        assert says(http, broker, one, "afterwards").is_success
    found = entries(tmp_path / DATABASE, "say-text")
    assert [name for name, _ in found] == ["on-its-way", "afterwards"]
    assert {outcome for _, outcome in found} == {"ok"}


def _is_in_doubt(
    hands: ThreadPoolExecutor, http: httpx.Client, broker: Running, opened: Opened
) -> None:
    """What is asked while the first commit is late waits for its own, and is refused."""
    time.sleep(0.5)
    late: Future[httpx.Response] = hands.submit(says, http, broker, opened, "late")
    assert late.result().status_code == 503
