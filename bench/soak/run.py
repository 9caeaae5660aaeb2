"""One soak test: its processes, its visitors and faults, and the check when all has ended."""

import asyncio
import contextlib
import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from bench.processes import free_port, process, wait_until_ready
from bench.soak.broker import Broker
from bench.soak.fault_schedule import TICK_SECONDS, FaultSchedule
from bench.soak.outcome import SoakOutcome, UpstreamSession
from bench.soak.simulated_visitor import SimulatedVisitor
from bench.soak.tally import Tally

CAP: Final = 20
ANSWER_SECONDS: Final = 2
ARRIVALS_A_SECOND: Final = 6
KILLING_SHARE: Final = 0.6
"""The fraction of the time, from the beginning, in which the broker may be killed."""

QUIET_SECONDS: Final = 100
"""How long the ends of all sessions may take; a failed end is repeated within a minute."""

SETTINGS: Final = {
    "AVATAR_KS": "a-ks",
    "AVATAR_ID": "ada",
    "AVATAR_VOICE_ID": "emulator-voice-en-1",
    "SECRET_KEY": "a-key-for-the-soak-of-at-least-32-characters",
    "MAX_CONCURRENT_SESSIONS": str(CAP),
    "MAX_WAITING": "30",
    "SESSION_MAX_SECONDS": "20",
    "SESSION_IDLE_SECONDS": "4",
    "CREATE_RATE_LIMIT": "1000000/minute",  # all visitors have one address
    "SPEAK_RATE_LIMIT": "1000000/minute",
    "CONTROL_RATE_LIMIT": "1000000/minute",
    "ADDRESS_SHARE_PERCENT": "100",
    "UPSTREAM_TIMEOUT_SECONDS": str(ANSWER_SECONDS),
}


@dataclass(frozen=True)
class Report:
    """The result of one soak test; memory is in MiB."""

    tally: Tally
    outcome: SoakOutcome
    memory_at_start: int
    memory_at_end: int
    quiet_seconds: float

    @property
    def broken(self) -> list[str]:
        """The broken guarantees, each as a sentence."""
        seen = [f"{count} times: {what}" for what, count in self.tally.violations.items()]
        return self.outcome.broken() + seen


async def soak(seconds: float, seed: int) -> Report:
    """Run visitors, faults and kills for so many seconds, then wait until every session ended."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directories = [Path(name) / part for part in ("emulator", "broker")]
        for directory in directories:
            directory.mkdir()
        port = free_port()
        kaltura = f"http://127.0.0.1:{port}"
        with process(directories[0], "-m", "bench.soak.emulator", str(port)):
            await wait_until_ready(f"{kaltura}/emulator/faults")
            settings = {**SETTINGS, "AVATAR_BASE_URL": f"{kaltura}/v1/avatar-session"}
            broker = Broker(directories[1], settings)
            await broker.start()
            try:
                return await Soak(broker, kaltura, seed).run(seconds)
            finally:
                await broker.stop()


class Soak:
    """A soak test of a broker in front of the emulator at the URL `kaltura`."""

    def __init__(self, broker: Broker, kaltura: str, seed: int) -> None:
        self._broker = broker
        self._faults = f"{kaltura}/emulator/faults"
        self._sessions = f"{kaltura}/emulator/sessions"
        self._seed = seed
        self._schedule = FaultSchedule(seed)
        self._tally = Tally()
        self._memory_at_start = broker.memory

    async def run(self, seconds: float) -> Report:
        """Run the test for so many seconds, and report its result."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._visitors())
                tasks.create_task(self._play_faults())
                tasks.create_task(self._kill_repeatedly(seconds * KILLING_SHARE))
        began = time.monotonic()
        await self._wait_until_ended()
        quiet_seconds = time.monotonic() - began
        memory_at_end = self._broker.memory
        exit_code = await self._broker.stop()
        outcome = SoakOutcome(
            upstream=await self._upstream(),
            record=self._broker.record(),
            killed_at=self._broker.killed_at,
            answer_seconds=ANSWER_SECONDS,
            log=self._broker.log(),
            cap=CAP,
            exit_code=exit_code,
        )
        return Report(self._tally, outcome, self._memory_at_start, memory_at_end, quiet_seconds)

    async def _visitors(self) -> None:
        """Start visitors at random intervals; cancelling it makes all of them vanish."""
        arrivals = Random(f"arrivals {self._seed}")
        async with (
            aiohttp.ClientSession(
                self._broker.url,
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as http,
            asyncio.TaskGroup() as visits,
        ):
            for number in itertools.count():
                visitor = SimulatedVisitor(
                    http, self._tally, Random(f"visitor {number} {self._seed}")
                )
                visits.create_task(visitor.visit())
                await asyncio.sleep(arrivals.expovariate(ARRIVALS_A_SECOND))

    async def _play_faults(self) -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            try:
                while True:
                    await http.put(self._faults, json=self._schedule.next_faults())
                    await asyncio.sleep(TICK_SECONDS)
            finally:
                await http.delete(self._faults)

    async def _kill_repeatedly(self, seconds: float) -> None:
        """Kill the broker at random intervals, only at first: its last process must grow old.

        So the comparison of that process's memory at its start and at the end means something.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(self._schedule.seconds_until_kill())
                    await self._broker.kill()
                    self._memory_at_start = self._broker.memory

    async def _wait_until_ended(self) -> None:
        """Wait until every recorded session has ended, at most `QUIET_SECONDS`."""
        await asyncio.sleep(2 * ANSWER_SECONDS + 1)  # by then creates under way are recorded
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                while not all(self._broker.record().values()):  # noqa: ASYNC110 - the state is in a file
                    await asyncio.sleep(TICK_SECONDS)

    async def _upstream(self) -> list[UpstreamSession]:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.get(self._sessions) as shown,
        ):
            return [UpstreamSession.of(session) for session in (await shown.json())["sessions"]]
