"""The processor time of the keep-alives of many sessions, in the broker and in other servers."""

import asyncio
import contextlib
import time
from pathlib import Path
from statistics import median
from typing import Final

from app.sessions.service import KEEP_ALIVE_SECONDS
from bench.plan import Plan
from bench.servers import SERVERS, Server, server

A_SECOND: Final = 1000
"""The keep-alives a second: those of 10,000 sessions, whose pages send one every 10 s."""

CONNECTIONS: Final = 200
"""As a proxy in front of the broker holds them."""

ROUNDS: Final = 3


async def print_keep_alives(plan: Plan, directory: Path, base_url: str) -> None:
    """Print what share of a core the keep-alives take in each server."""
    count = plan.grown_to[-1]
    print(f"\nKeep-alives, {A_SECOND} a second, of {count} sessions:")
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(server(name, directory, base_url)) for name in SERVERS
        ]
        for each in servers:
            await each.open(count)
        costs = [median(each) for each in await _take_turns(servers, min(plan.rounds, ROUNDS))]
    for each, milliseconds in zip(servers, costs, strict=True):
        share = milliseconds * A_SECOND / 10
        print(
            f"{each.name:>36}{milliseconds:>20.3f} ms of processor time, {share:.0f}% of a core, "
            f"ratio {milliseconds / costs[-1]:.2f}"
        )


async def _take_turns(servers: list[Server], rounds: int) -> list[list[float]]:
    """The milliseconds of a keep-alive in each server, round by round.

    A server is asked again when the broker passes keep-alives on again.
    """
    costs: list[list[float]] = [[] for _ in servers]
    quiet_at = [0.0 for _ in servers]
    for _ in range(rounds):
        for n, each in enumerate(servers):
            await asyncio.sleep(max(0.0, quiet_at[n] - time.monotonic()))
            cost = await each.keep_alive(CONNECTIONS, len(each.sessions) / A_SECOND)
            quiet_at[n] = time.monotonic() + KEEP_ALIVE_SECONDS
            costs[n].append(cost.cpu_ms)
    return costs
