"""What the process prints reaches who reads it, and waits for nobody who does not."""

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator

import pytest

from app.observability.logs import dropped_lines
from app.server.output import NonBlockingOutput
from tests.support.doubles import logging_to
from tests.support.metrics import OPERATOR, value
from tests.support.visitor_api import Visit

SOON = 10
MUCH = "x" * 10_000 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's reading and writing end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # the test may have
            os.close(end)


def read_until(descriptor: int, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        read += os.read(descriptor, 65_536)
    return read


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    output = NonBlockingOutput(writing)
    lines = [f"{number} \N{SNOWMAN} \ud800\n" for number in range(10_000)]
    threading.Thread(target=lambda: [output.write(line) for line in lines]).start()
    read = read_until(reading, b"9999 \xe2\x98\x83 \\ud800\n")
    assert read == "".join(lines).encode("utf-8", "backslashreplace")
    assert output.dropped_lines == 0


def test_what_is_left_at_the_end_is_written(pipe: tuple[int, int]) -> None:
    output = NonBlockingOutput(pipe[1])
    output.write("the last words\n")
    output.drain(SOON)
    assert os.read(pipe[0], 100) == b"the last words\n"


async def test_what_nobody_reads_is_dropped_counted_and_told_later(
    pipe: tuple[int, int], visit: Visit
) -> None:
    reading, writing = pipe
    visitor = await visit(operator_token=OPERATOR)
    output = NonBlockingOutput(writing, max_waiting_bytes=20 * len(MUCH))
    with logging_to(output):
        for _ in range(100):
            output.write(MUCH)
        assert await value(visitor, "log_lines_dropped_total") == 80
        dropped = dropped_lines()
        *_, told, end = read_until(reading, b"}\n").split(b"\n")
    assert (json.loads(told)["lines"], end) == (dropped, b"")


def test_a_reader_who_is_gone_is_counted_and_no_error(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    output = NonBlockingOutput(writing)
    os.close(reading)
    output.write("one\ntwo\n")
    output.drain(SOON)
    assert output.dropped_lines == 2


def test_as_long_as_nothing_can_be_written_no_report_of_it_is_tried(pipe: tuple[int, int]) -> None:
    def refuse(_descriptor: int, _data: bytes | memoryview) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    output = NonBlockingOutput(pipe[1], write=refuse)
    with logging_to(output):
        for line in ("one\n", "two\n"):
            output.write(line)
            output.drain(SOON)
    assert output.dropped_lines == 2


def test_a_line_that_a_full_disk_cut_off_is_ended_before_the_next(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    free = [6, 0, 100]

    def write(descriptor: int, data: bytes | memoryview) -> int:
        room = free.pop(0) if len(free) > 1 else free[0]
        if not room:
            raise OSError(errno.ENOSPC, "no space left")
        return os.write(descriptor, data[:room])

    output = NonBlockingOutput(writing, write=write)
    output.write("one\ntwo\nthree\n")
    output.drain(SOON)
    output.write("four\n")
    output.drain(SOON)
    assert os.read(reading, 100) == b"one\ntw\nfour\n"
    assert output.dropped_lines == 2


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    output = NonBlockingOutput(writing)
    for _ in range(50):
        output.write(MUCH)
    output.write("end\n")
    assert read_until(reading, b"end\n") == 50 * MUCH.encode() + b"end\n"
    assert output.dropped_lines == 0
