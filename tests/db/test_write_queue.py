"""Writes take turns: some at a time, in order where it matters, and one alone where it must be."""

import asyncio

from app.db.write_queue import WriteQueue
from tests.support.doubles import settled


class Work:
    """Blocks that go on until they are told to end."""

    def __init__(self, at_once: int) -> None:
        self.queue = WriteQueue(at_once)
        self.running: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def asked(self, name: str, *keys: str, alone: bool = False) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._run(name, keys, alone=alone)))

    async def ended(self, *names: str) -> list[str]:
        """What runs when these have ended."""
        for name in names:
            self._ends[name].set()
        await settled()
        return self.running

    async def _run(self, name: str, keys: tuple[str, ...], *, alone: bool) -> None:
        async with self.queue.turn(keys, alone=alone):
            self.running.append(name)
            await self._ends[name].wait()
            self.running.remove(name)


async def test_so_many_run_at_once_and_the_others_follow_in_order() -> None:
    work = Work(2)
    for name in "abcd":
        work.asked(name)
    assert await work.ended() == ["a", "b"]
    assert await work.ended("b") == ["a", "c"]
    assert await work.ended("a", "c") == ["d"]


async def test_of_one_key_each_follows_the_one_before_whatever_else_they_wait_for() -> None:
    work = Work(5)
    work.asked("a", "x")
    work.asked("b", "x", "y")
    work.asked("c", "y")
    work.asked("d", "z")
    assert await work.ended() == ["a", "d"]
    assert await work.ended("a") == ["d", "b"]
    assert await work.ended("b") == ["d", "c"]
    await work.ended("c", "d")
    work.asked("e", "x", "y", "z")
    assert await work.ended() == ["e"]


async def test_what_is_to_run_alone_waits_for_those_that_run_and_nothing_runs_beside_it() -> None:
    work = Work(3)
    work.asked("a")
    work.asked("b")
    work.asked("c", alone=True)
    work.asked("d", alone=True)
    assert await work.ended() == ["a", "b"]
    assert await work.ended("a") == ["b"]
    assert await work.ended("b") == ["c"]
    work.asked("e")
    assert await work.ended() == ["c"]
    assert await work.ended("c") in (["d"], ["e"])
    assert await work.ended("d", "e") == []


async def test_where_one_runs_at_a_time_the_order_is_that_of_the_calls() -> None:
    work, order = Work(1), []
    for name, keys in (("a", "x"), ("b", "x"), ("c", "y"), ("d", "x")):
        work.asked(name, keys)
    for name in "abcd":
        order += await work.ended()
        await work.ended(name)
    assert order == list("abcd")
