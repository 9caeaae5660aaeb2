"""What Kaltura or the disk refuses for a while is made up for, and nothing stays open."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.leaks import DATABASE, SOON, Brokers, Kaltura, Visitor, locked, on_record
from tests.support.processes import Running, stop, wait_until


def test_a_session_that_kaltura_would_not_end_keeps_its_place_until_it_is_ended(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor, late = next(visitors), next(visitors)
    with brokers(MAX_CONCURRENT_SESSIONS="1") as broker:
        opened = visitor.opens(broker)
        kaltura.plays({"operation": "end", "kind": "status", "status": 503, "times": 4})
        assert visitor.ends(broker, opened).status_code == 502
        ticket = late.asks(broker).json()["ticket"]
        assert kaltura.open() == {opened["sessionId"]}
        late.waits(broker, ticket)
        assert kaltura.open() == set()
        late.opens(broker)
    assert kaltura.calls("end") == 6
    assert kaltura.most_at_once() == 1


def test_while_the_database_is_locked_nothing_is_begun_and_afterwards_it_goes_on(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    visitor = next(visitors)
    with brokers() as broker:
        with locked(tmp_path / DATABASE):
            _is_refused(visitor, broker)
            assert kaltura.sessions() == {}, "not even asked for"
            wait_until("the log tells", lambda: "database can't be" in broker.log.read_text(), SOON)
        visitor.opens(broker)


def test_a_locked_database_keeps_no_session_from_being_ended_at_a_stop(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    with brokers() as broker:
        for _ in range(4):
            next(visitors).opens(broker)
        with locked(tmp_path / DATABASE):
            assert stop(broker.process) == 0
    assert kaltura.open() == set()


def test_while_the_disk_is_full_nothing_is_begun_and_afterwards_it_goes_on(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    visitor, other = next(visitors), next(visitors)
    with brokers() as broker:
        opened = other.opens(broker)
        with _no_more_space(broker, tmp_path / f"{DATABASE}-wal"):
            _is_refused(visitor, broker)
            assert other.says(broker, opened).status_code == 503
            assert other.ends(broker, opened).is_success
            assert kaltura.open() == set()
        latest = visitor.opens(broker)["sessionId"]
        wait_until("all is on record", lambda: on_record(tmp_path / DATABASE) == {latest}, SOON)


def test_while_the_database_file_is_gone_nothing_is_begun_and_afterwards_it_goes_on(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor], tmp_path: Path
) -> None:
    visitor, other = next(visitors), next(visitors)
    file, elsewhere = tmp_path / DATABASE, tmp_path / "elsewhere.db"
    with brokers() as broker:
        opened = other.opens(broker)
        file.rename(elsewhere)
        _is_refused(visitor, broker)
        assert other.says(broker, opened).status_code == 503
        ready = visitor.http.get(f"{broker.url}/readyz")
        assert (ready.status_code, "record-unavailable" in ready.text) == (503, True)
        assert other.ends(broker, opened).is_success
        assert kaltura.open() == set()
        elsewhere.rename(file)
        latest = visitor.opens(broker)["sessionId"]
        assert visitor.http.get(f"{broker.url}/readyz").is_success
        wait_until("all is on record", lambda: on_record(file) == {latest}, SOON)
        file.unlink()
        assert stop(broker.process) == 0
    assert kaltura.open() == set()


@contextmanager
def _no_more_space(broker: Running, file: Path) -> Iterator[None]:
    """No file of that process may grow past this one, as on a disk that is full."""
    size, unlimited = file.stat().st_size, resource.RLIM_INFINITY
    assert broker.log.stat().st_size < size / 2
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (size, unlimited))
    yield
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))


def _is_refused(visitor: Visitor, broker: Running) -> None:
    answer = visitor.asks(broker)
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/record-unavailable"
