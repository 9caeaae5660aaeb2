"""One soak: the processes, the visitors and the weather, and the quiet afterwards."""

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

from bench.processes import answers, free_port, process
from bench.soak.broker import Broker
from bench.soak.findings import Findings, Upstream
from bench.soak.ledger import Ledger
from bench.soak.visitors import Visitor
from bench.soak.weather import TICK_SECONDS, Weather

CAP: Final = 20
ANSWER_SECONDS: Final = 2
ARRIVALS_A_SECOND: Final = 6
KILLING: Final = 0.6
"""The part of the time in which the broker may be killed."""

QUIET_SECONDS: Final = 100
"""An end that Kaltura refuses is tried again after a minute at the latest."""

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
    """What came of it."""

    ledger: Ledger
    findings: Findings
    memory_then: int
    memory_now: int
    quiet_seconds: float

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept, in words."""
        seen = [f"{count} times: {what}" for what, count in self.ledger.surprises.items()]
        return self.findings.broken() + seen


async def soak(seconds: float, seed: int) -> Report:
    """Let it rain for so long, then wait until all is quiet."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directories = [Path(name) / part for part in ("emulator", "broker")]
        for directory in directories:
            directory.mkdir()
        port = free_port()
        kaltura = f"http://127.0.0.1:{port}"
        with process(directories[0], "-m", "bench.soak.emulator", str(port)):
            await answers(f"{kaltura}/emulator/faults")
            settings = {**SETTINGS, "AVATAR_BASE_URL": f"{kaltura}/v1/avatar-session"}
            broker = Broker(directories[1], settings)
            await broker.start()
            try:
                return await Soak(broker, kaltura, seed).run(seconds)
            finally:
                await broker.stop()


class Soak:
    """One soak of a broker whose Kaltura is the emulator at `kaltura`."""

    def __init__(self, broker: Broker, kaltura: str, seed: int) -> None:
        self._broker = broker
        self._faults = f"{kaltura}/emulator/faults"
        self._sessions = f"{kaltura}/emulator/sessions"
        self._seed = seed
        self._weather = Weather(seed)
        self._ledger = Ledger()
        self._memory_then = broker.memory

    async def run(self, seconds: float) -> Report:
        """What came of it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as doings:
                doings.create_task(self._visitors())
                doings.create_task(self._faults_are_played())
                doings.create_task(self._kills(seconds * KILLING))
        began = time.monotonic()
        await self._quiet()
        quiet_seconds = time.monotonic() - began
        memory_now = self._broker.memory
        exit_code = await self._broker.stop()
        findings = Findings(
            upstream=await self._upstream(),
            record=self._broker.record(),
            killed_at=self._broker.killed_at,
            answer_seconds=ANSWER_SECONDS,
            log=self._broker.log(),
            cap=CAP,
            exit_code=exit_code,
        )
        return Report(self._ledger, findings, self._memory_then, memory_now, quiet_seconds)

    async def _visitors(self) -> None:
        """They come all the time; those who are here at the end vanish."""
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
                visitor = Visitor(http, self._ledger, Random(f"visitor {number} {self._seed}"))
                visits.create_task(visitor.visit())
                await asyncio.sleep(arrivals.expovariate(ARRIVALS_A_SECOND))

    async def _faults_are_played(self) -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            try:
                while True:
                    await http.put(self._faults, json=self._weather.forecast())
                    await asyncio.sleep(TICK_SECONDS)
            finally:
                await http.delete(self._faults)

    async def _kills(self, seconds: float) -> None:
        """The last process lives long enough for its memory to be worth a look."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(self._weather.until_the_next_kill())
                    await self._broker.kill()
                    self._memory_then = self._broker.memory

    async def _quiet(self) -> None:
        """Waits until all that is on record is ended, or for long enough."""
        await asyncio.sleep(2 * ANSWER_SECONDS + 1)  # what is being opened is on record by then
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                while not all(self._broker.record().values()):  # noqa: ASYNC110 - it is in a file
                    await asyncio.sleep(TICK_SECONDS)

    async def _upstream(self) -> list[Upstream]:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.get(self._sessions) as shown,
        ):
            return [Upstream.of(session) for session in (await shown.json())["sessions"]]
