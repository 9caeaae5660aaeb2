"""Several processes on one listening socket, and the one that watches them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.cli import _of_worker
from tests.support.doubles import settings
from tests.support.postgres import Postgres
from tests.support.processes import (
    Running,
    environment,
    kill,
    run,
    running,
    stop,
    wait_until,
)

pytestmark = pytest.mark.process

SECRET_KEY = "a-key-for-tests-of-at-least-32-characters"
KALTURA = {"AVATAR_KS": "a-ks", "AVATAR_ID": "ada", "AVATAR_BASE_URL": "http://127.0.0.1:9/v1"}

WATCHING = """
import asyncio, sys
from app.server.workers import Workers
workers = Workers(lambda number: ["/bin/sh", "-c", sys.argv[1], "sh", str(number)], 2, [],
                  restart_seconds=0)
sys.exit(asyncio.run(workers.run()))
"""


@contextmanager
def watched(directory: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """Two workers, each of which runs a shell script with its number."""
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", WATCHING, script],
        cwd=directory,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        stop(process)


def pids(directory: Path, number: int) -> list[int]:
    """The processes that one worker has been, the first one first."""
    file = directory / str(number)
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")


WAITS = "echo $$ >>$1; exec sleep 60"


def test_a_worker_that_dies_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    with watched(tmp_path, WAITS) as process:
        wait_until("both run", lambda: bool(pids(tmp_path, 1) and pids(tmp_path, 2)))
        os.kill(pids(tmp_path, 1)[0], signal.SIGKILL)
        wait_until("it is started again", lambda: len(pids(tmp_path, 1)) == 2)
        assert len(pids(tmp_path, 2)) == 1
        process.terminate()
        process.wait(10)
        assert not any(map(is_running, (pids(tmp_path, 1)[1], *pids(tmp_path, 2))))


@pytest.mark.parametrize(
    ("script", "starts", "exit_code"),
    [
        (f"{WAITS.partition(';')[0]}; [ $1 = 2 ] || exit 7; exec sleep 60", 5, 1),
        (f"{WAITS.partition(';')[0]}; [ $1 = 2 ] || exit 2; exec sleep 60", 1, 2),
    ],
    ids=["dies again and again", "has wrong settings"],
)
def test_a_worker_that_can_not_run_ends_all_of_them(
    tmp_path: Path, script: str, starts: int, exit_code: int
) -> None:
    with watched(tmp_path, script) as process:
        assert process.wait(20) == exit_code
    assert len(pids(tmp_path, 1)) == starts
    assert not any(map(is_running, pids(tmp_path, 2)))


def test_every_ending_signal_reaches_the_workers_as_it_is(tmp_path: Path) -> None:
    with watched(
        tmp_path, "trap 'exit 3' INT; echo $$ >>$1; while :; do sleep 0.1; done"
    ) as process:
        wait_until("both run", lambda: bool(pids(tmp_path, 1) and pids(tmp_path, 2)))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 3


# The broker's


@pytest.mark.parametrize(
    ("options", "configured", "told"),
    [
        (["--workers", "3"], {}, "WEB_CONCURRENCY=3 needs Postgres"),
        ([], {"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY=2 needs Postgres"),
        (["--workers", "0"], {}, "WEB_CONCURRENCY is malformed"),
        (["--workers", "65"], {}, "WEB_CONCURRENCY is malformed"),
    ],
)
def test_workers_that_can_not_share_are_refused_in_one_line(
    tmp_path: Path, options: list[str], configured: dict[str, str], told: str
) -> None:
    refused = run(tmp_path, "serve", *options, "--port", "0", **KALTURA, **configured)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert told in line
    assert not (tmp_path / "data").exists()


def log_of(broker: Running) -> list[dict[str, Any]]:
    lines = broker.log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def started(broker: Running) -> set[int]:
    return {line["worker"] for line in log_of(broker) if line["event"] == "started"}


@contextmanager
def workers(directory: Path, server: Postgres) -> Iterator[tuple[Running, str]]:
    """Two workers of the broker, which both have started, and their database."""
    database = server.new_database()
    shared = {**KALTURA, "SECRET_KEY": SECRET_KEY, "DATABASE_URL": database}
    with running("serve", directory, "--workers", "2", ready="/healthz", **shared) as broker:
        wait_until("both have started", lambda: started(broker) == {1, 2})
        yield broker, database


async def urls_in(database: str) -> set[str]:
    """Where the replicas on a database say that they are."""
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    rows = await connection.fetch("SELECT url FROM replicas")
    await connection.close()
    return {row["url"] for row in rows}


def children(broker: Running) -> list[int]:
    pid = broker.process.pid
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in listed.split()]


def test_workers_serve_one_port_and_one_of_their_own_and_stop_together(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    with workers(tmp_path, own_postgres) as (broker, database):
        own = asyncio.run(urls_in(database))
        assert len(own) == 2
        for url in (broker.url, *own):
            assert httpx.get(f"{url}/healthz", trust_env=False).is_success
        each = children(broker)
        assert len(each) == 2
        assert stop(broker.process) == 0
        assert not any(map(is_running, each))
    ends = [
        line["worker"] for line in log_of(broker) if line["event"] == "stopped" and "worker" in line
    ]
    assert sorted(ends) == [1, 2]
    assert "2 workers open" in broker.log.read_text(encoding="utf-8")


def test_workers_stop_when_the_process_that_watches_them_is_killed(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    with workers(tmp_path, own_postgres) as (broker, _):
        each = children(broker)
        kill(broker.process)
        wait_until("they have ended", lambda: not any(map(is_running, each)), 40)
    stopped = [line for line in log_of(broker) if line["event"] == "stopped"]
    assert [line["exit_code"] for line in stopped] == [0, 0]


def test_each_worker_has_an_address_of_its_own() -> None:
    free = _of_worker(settings(port=8000), 2)
    assert (free.port, free.replica_url) == (0, None)
    named = settings(port=8000, replica_url="http://10.0.0.5:9000")
    second = _of_worker(named, 2)
    assert (second.port, second.replica_url) == (9001, "http://10.0.0.5:9001")
