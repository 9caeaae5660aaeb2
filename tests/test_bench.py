"""Every benchmark runs, with counts so small that its figures mean nothing."""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

import pytest

from bench import record, stalls
from bench.kaltura_stub import KalturaStub
from bench.load import load, request
from bench.plan import Plan
from bench.profile import profile
from bench.servers import HOST, SERVERS, BenchmarkSession, Server
from bench.speak import INTERRUPTED, report
from tests.support.processes import ROOT, environment

SMALL = Plan(rounds=1, sessions=3, calls=6, connections=(1, 3), grown_to=(3, 4))


@contextlib.asynccontextmanager
async def kaltura_at_once() -> AsyncIterator[int]:
    """The port of a stand-in that answers without the delay; it takes any path."""
    loop = asyncio.get_running_loop()
    made = partial(KalturaStub, itertools.count(), 0)
    async with await loop.create_server(made, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.process
async def test_a_speak_costs_processor_time_in_every_server(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await report(SMALL)
    told = capsys.readouterr().out
    assert all(name in told for name in SERVERS)
    spent = re.findall(r"^ *processor ms((?: +[\d.]+)+)$", told, re.MULTILINE)
    assert [len(row.split()) for row in spent] == [len(SERVERS)] * len(SMALL.connections)
    assert all(float(ms) > 0 for row in spent for ms in row.split())
    for name in SERVERS:
        assert re.search(
            rf"^ *{name} +[\d.]+ ms of processor time, \d+% of a core", told, re.MULTILINE
        )
    for cost in ("create", "speak", "memory of a session", "event to one follower"):
        assert re.search(rf"^ *{cost} +-?[\d.]+", told, re.MULTILINE), told


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0, reason="py-spy looks into other processes as root")
async def test_the_profile_names_the_modules_of_a_speak(capsys: pytest.CaptureFixture[str]) -> None:
    await profile(Plan(rounds=1, sessions=20, calls=60))
    assert re.search(r"^ +\d+ us +[\d.]+%  app/", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.process
@pytest.mark.parametrize(
    ("bench", "row"),
    [
        (partial(stalls.main, rounds=1, most_inputs=2), r"^ *a short text: +[\d.]+ ms"),
        (partial(record.main, entries=1000), r"^ *usage by visitor: +[\d.]+ ms"),
    ],
    ids=["stalls", "record"],
)
async def test_the_other_benchmarks_run(
    bench: Callable[[], Awaitable[None]], row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(SystemExit):  # a limit of time, which is for quiet machines
        await bench()
    assert re.search(row, capsys.readouterr().out, re.MULTILINE)


async def test_a_speak_that_kaltura_was_not_asked_for_is_not_measured() -> None:
    async with kaltura_at_once() as port:
        server = Server("at once", port, os.getpid(), 0.0, [BenchmarkSession("session", "token")])
        with pytest.raises(RuntimeError, match="before Kaltura"):
            await server.speak(1, 1)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0", b""])
async def test_a_load_ends_at_the_first_answer_that_is_no_success(answer: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer + b"\r\n\r\n" if answer else b"")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RuntimeError, match="429" if answer else "closed"):
            await load(port, [request("/", host=HOST)] * 3, 2)


@pytest.mark.parametrize("connections", [1, 2, 5])
async def test_a_load_sends_each_request_once(connections: int) -> None:
    async with kaltura_at_once() as port:
        done = await load(port, [request("/create", host=HOST)] * 3, connections)
    assert done.calls == len(set(done.bodies)) == 3
    assert 0 < done.percentile(50) <= done.percentile(99)


async def test_a_load_is_spread_over_its_time() -> None:
    async with kaltura_at_once() as port:
        done = await load(port, [request("/create", host=HOST)] * 3, 2, seconds=0.3)
    assert done.calls == 3
    assert done.seconds > 0.3 / 2  # the last is sent after two thirds


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """Programs that are started meanwhile heed Ctrl+C.

    A shell lets what it starts in the background ignore it, which these tests may be, and a program
    inherits that. A handler of ours it does not inherit: it begins with the default.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.process
@pytest.mark.usefixtures("heeded_ctrl_c")
def test_nothing_is_left_running_after_ctrl_c() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "bench.speak"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as bench:
        assert bench.stdout is not None
        bench.stdout.readline()  # its servers start
        bench.send_signal(signal.SIGINT)
        assert bench.wait(30) == INTERRUPTED
    with pytest.raises(ProcessLookupError):
        os.killpg(bench.pid, 0)
