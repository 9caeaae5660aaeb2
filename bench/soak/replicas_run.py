"""One soak test of replicas: its visitors and faults, and the check of the history of all calls."""

import asyncio
import contextlib
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from bench.processes import free_port, process, wait_until_ready
from bench.soak.history import History, Said, check, longest_gap_seconds
from bench.soak.outcome import UpstreamSession
from bench.soak.replica_faults import REST_SECONDS, ReplicaFaults
from bench.soak.run import ANSWER_SECONDS, CAP, QUIET_SECONDS, SETTINGS
from bench.soak.speaking_visitor import (
    CALL_SECONDS,
    LENGTH_SECONDS,
    Calls,
    SpeakingVisitor,
)
from bench.soak.tally import Tally
from tests.support.replicas import Replicas, replicas

VISITORS: Final = CAP + 5
"""How many visitors there are at the same time: some of them always wait in line."""

SESSION_SECONDS: Final = 300
LEAVE_SECONDS: Final = 240
"""How long the last visits may take."""

RUSH_LENGTH_SECONDS: Final = (0.8, 1.2)

REPLICA_SETTINGS: Final = {
    **SETTINGS,
    "SESSION_MAX_SECONDS": str(SESSION_SECONDS),
    "SHUTDOWN_SESSIONS": "keep",
}

_MARK: Final = re.compile(r"\bv\d+x[0-9a-f]{8}\b")


@dataclass(frozen=True)
class Load:
    """How many visitors there are at the same time, and how long they and the pauses last."""

    visitors: int = VISITORS
    length_seconds: tuple[float, float] = LENGTH_SECONDS
    rest_seconds: float = REST_SECONDS
    """The time between two faults."""

    idle_seconds: int = 60
    """When a session whose visitor is gone ends."""

    cap: int = CAP
    """How many sessions may be open; the visitors beyond wait in line."""

    is_silent: bool = False
    """Whether the visitors say nothing, so that a visit costs little beyond its waiting."""

    @classmethod
    def rush(cls, visitors: int, cap: int) -> "Load":
        """Visitors who all come at once, and use their sessions for about a second each."""
        return cls(visitors, RUSH_LENGTH_SECONDS, cap=cap, is_silent=True)

    @property
    def settings(self) -> dict[str, str]:
        """The replicas' settings under this load."""
        return REPLICA_SETTINGS | {
            "SESSION_IDLE_SECONDS": str(self.idle_seconds),
            "MAX_CONCURRENT_SESSIONS": str(self.cap),
            "MAX_WAITING": str(self.visitors),
        }


@dataclass(frozen=True)
class ReplicaReport:
    """The result of one run."""

    tally: Tally
    history: History
    played: dict[str, int]
    exit_codes: list[int]
    rules: Sequence[str]

    @property
    def longest_gap_seconds(self) -> float:
        """The longest time for which a visitor could not control a session."""
        return longest_gap_seconds(self.history)

    @property
    def fates(self) -> Counter[str]:
        """How many texts that were accepted were said, and what was told of the others."""
        heard = {said.mark for every in self.history.said.values() for said in every}
        texts = [call.marks for call in self.history.calls if call.is_done and call.marks]
        return Counter(
            "said" if heard.issuperset(marks) else self.history.told.get(marks[0], "nothing told")
            for marks in texts
        )

    @property
    def broken(self) -> list[str]:
        """Each case of a broken rule, as a sentence."""
        cases = check(self.history, self.rules)
        told = [f"{rule}: {case}" for rule, of_rule in cases.items() for case in of_rule]
        told += [f"{count} times: {what}" for what, count in self.tally.violations.items()]
        if any(self.exit_codes):
            told.append(f"replicas that were asked to stop exited with {self.exit_codes}")
        return told


async def soak_replicas(
    seconds: float,
    seed: int,
    *,
    count: int,
    rules: Sequence[str],
    faults: list[str],
    load: Load = Load(),
    older: Path | None = None,
) -> ReplicaReport:
    """Run visitors and faults for so many seconds, wait until every session ended, and check.

    The first replica runs the code of the tree `older`, where one is given.
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = Path(name)
        kaltura_directory = directory / "emulator"
        kaltura_directory.mkdir()
        port = free_port()
        kaltura = f"http://127.0.0.1:{port}"
        with process(kaltura_directory, "-m", "bench.soak.emulator", str(port)):
            await wait_until_ready(f"{kaltura}/emulator/faults")
            async with replicas(directory, kaltura, count, older, **load.settings) as running:
                run = _Run(running, kaltura, seed, load)
                await run.play(seconds, faults)
                history = await run.history()
            exit_codes = [code for replica in running.each for code in replica.exit_codes]
        return ReplicaReport(run.seen.tally, history, dict(run.faults.played), exit_codes, rules)


class _Run:
    """The visitors and the faults of one run."""

    def __init__(self, running: Replicas, kaltura: str, seed: int, load: Load) -> None:
        self._running = running
        self._load = load
        self._kaltura = kaltura
        self._seed = seed
        self._is_over = False
        self.seen = Calls(Tally())
        self.faults = ReplicaFaults(running, seed)

    async def play(self, seconds: float, faults: list[str]) -> None:
        """Let visitors come and faults happen, then let the last visitors leave."""
        async with aiohttp.ClientSession(
            self._running.url,
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(CALL_SECONDS),
        ) as http:
            numbers = itertools.count()
            coming = [
                asyncio.create_task(self._come(http, numbers)) for _ in range(self._load.visitors)
            ]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    if faults:
                        await self.faults.play(faults, self._load.rest_seconds)
                    await asyncio.sleep(seconds)
            self._is_over = True
            _, late = await asyncio.wait(coming, timeout=LEAVE_SECONDS)
            for visit in late:
                visit.cancel()
            for visit in set(coming) - late:
                visit.result()

    async def _come(self, http: aiohttp.ClientSession, numbers: "itertools.count[int]") -> None:
        """Let one visitor after the other come, until the time is over."""
        while not self._is_over:
            name = f"v{next(numbers)}"
            random, length = Random(f"{name} {self._seed}"), self._load.length_seconds
            visitor = SpeakingVisitor(http, self.seen, name, random, length)
            await (visitor.visit_silently() if self._load.is_silent else visitor.visit())

    async def history(self) -> History:
        """Wait until every session has ended, and tell all that happened."""
        record = await self._settled_record()
        shown = await self._sessions()
        return History(
            calls=tuple(self.seen.calls),
            upstream=tuple(UpstreamSession.of(session) for session in shown),
            said={session["sessionId"]: _said(session) for session in shown},
            told=self.seen.told,
            failed_at=self.seen.failed_at,
            recorded=frozenset(record),
            faults=tuple(self.faults.spans),
            cap=self._load.cap,
            session_seconds=SESSION_SECONDS,
            answer_seconds=ANSWER_SECONDS,
        )

    async def _settled_record(self) -> dict[str, bool]:
        await asyncio.sleep(2 * ANSWER_SECONDS + 1)  # by then creates under way are recorded
        record: dict[str, bool] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                while not all((record := await self._running.record()).values()):  # noqa: ASYNC110 - the state is in a database
                    await asyncio.sleep(1)
        return record

    async def _sessions(self) -> list[dict[str, Any]]:
        address = f"{self._kaltura}/emulator/sessions"
        async with aiohttp.ClientSession(raise_for_status=True) as http, http.get(address) as shown:
            sessions: list[dict[str, Any]] = (await shown.json())["sessions"]
            return sessions


def _said(session: dict[str, Any]) -> tuple[Said, ...]:
    """The marks of a session as the emulator shows it."""
    return tuple(
        Said(mark, call["at"])
        for call in session["calls"]
        for mark in _MARK.findall(call["text"] or "")
    )
