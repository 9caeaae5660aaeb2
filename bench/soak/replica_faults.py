"""The faults that a soak test of replicas plays, one after the other, in random order."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from tests.support.replicas import Replicas
from tests.support.tcp_proxy import TcpProxy

PAUSE_SECONDS: Final = 15
"""How long a replica does nothing: longer than its lease."""

CUT_SECONDS: Final = 13
"""How long the network is cut: longer than a lease, and than what follows its end."""

DOWN_SECONDS: Final = 3
"""How long a replica that was killed is away."""

REST_SECONDS: Final = 12
"""How long all is well between two faults: longer than it takes to take over sessions."""


Fault = Callable[[Replicas, Random], Awaitable[None]]
"""Plays one fault of replicas, any of which is chosen at random."""


class ReplicaFaults:
    """The faults of one run; `spans` are when each began and ended, in unix seconds."""

    def __init__(self, replicas: Replicas, seed: int) -> None:
        self._replicas = replicas
        self._random = Random(f"replica faults {seed}")
        self.played: Counter[str] = Counter()
        self.spans: list[tuple[float, float]] = []

    async def play(self, names: list[str], rest_seconds: float = REST_SECONDS) -> None:
        """Play these faults again and again until this is cancelled, each time in another order."""
        while True:
            for name in self._random.sample(names, len(names)):
                await asyncio.sleep(rest_seconds)
                await self.play_one(name)

    async def play_one(self, name: str) -> None:
        """Play one fault until its cause is removed."""
        self.played[name] += 1
        begin = time.time()
        try:
            await FAULTS[name](self._replicas, self._random)
        finally:
            self.spans.append((begin, time.time()))


async def _kill(replicas: Replicas, random: Random) -> None:
    replica = random.choice(replicas.each)
    replica.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await replica.start()


async def _pause(replicas: Replicas, random: Random) -> None:
    replica = random.choice(replicas.each)
    replica.pause()
    try:
        await asyncio.sleep(PAUSE_SECONDS)
    finally:
        replica.resume()


async def _rolling_restart(replicas: Replicas, _: Random) -> None:
    for replica in replicas.each:
        await replica.stop()
        await replica.start()


async def _postgres_restart(replicas: Replicas, _: Random) -> None:
    await asyncio.to_thread(replicas.postgres.stop)
    await asyncio.to_thread(replicas.postgres.start)


async def _postgres_cut_from_one(replicas: Replicas, random: Random) -> None:
    await _cut(random.choice(replicas.each).to_postgres)


async def _postgres_cut_from_all(replicas: Replicas, _: Random) -> None:
    await _cut(*(replica.to_postgres for replica in replicas.each))


async def _replicas_cut_from_each_other(replicas: Replicas, _: Random) -> None:
    await _cut(*(replica.from_peers for replica in replicas.each))


async def _cut(*links: TcpProxy) -> None:
    for link in links:
        link.cut()
    try:
        await asyncio.sleep(CUT_SECONDS)
    finally:
        for link in links:
            link.heal()


FAULTS: Final[dict[str, Fault]] = {
    "kill": _kill,
    "pause": _pause,
    "rolling-restart": _rolling_restart,
    "postgres-restart": _postgres_restart,
    "postgres-cut-from-one": _postgres_cut_from_one,
    "postgres-cut-from-all": _postgres_cut_from_all,
    "replicas-cut-from-each-other": _replicas_cut_from_each_other,
}
"""Every fault by its name."""
