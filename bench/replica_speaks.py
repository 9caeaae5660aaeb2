"""What a speak costs in one, two and three replicas, and what it costs more to pass it on.

`.venv/bin/python -m bench.replica_speaks`. Everything is on this machine and bounded: replicas,
Postgres, the stand-in Kaltura and the load share its cores. So the measure is the processor time of
the replicas; where each has a core of its own, as many more calls are answered as there are cores.
"""

import argparse
import asyncio
import json
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Final

from app.kaltura.contract import MIRROR_PATH
from bench.load import Load, load
from bench.processor import processor_seconds
from bench.servers import SAID_SECONDS, Server, upstream
from bench.soak.run import SETTINGS
from tests.support.replicas import replicas

MOST: Final = 3
SESSIONS: Final = 60
CONNECTIONS: Final = 12
OUTCOME_SECONDS: Final = 0.2

REPLICA_SETTINGS: Final = SETTINGS | {
    "MAX_CONCURRENT_SESSIONS": "1000",
    "MAX_SESSIONS_PER_VISITOR": "1000",
    "SESSION_MAX_SECONDS": "900",
    "SESSION_IDLE_SECONDS": "900",
    "SHUTDOWN_SESSIONS": "keep",
}


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench.replica_speaks")
    parser.add_argument("--rounds", type=int, default=3, help="the median of them counts")
    parser.add_argument("--calls", type=int, default=600, help="speaks of one replica in a round")
    options = parser.parse_args()
    print(f"{'':<24}{'processor ms':>14}{'ratio':>8}{'a second':>10}{'p50 ms':>8}{'p99 ms':>8}")
    first = 0.0
    with tempfile.TemporaryDirectory(prefix="replicas-") as name, upstream(Path(name)) as base_url:
        for count in range(1, MOST + 1):
            own = Path(name) / str(count)
            own.mkdir()
            async with _servers(own, base_url, count) as servers:
                costs = [await _speak(servers, options.calls, 0) for _ in range(options.rounds)]
                first = first or median(cost for cost, _ in costs)
                _print_row(f"{count} side by side", costs, first)
                if count == MOST:
                    costs = [await _speak(servers, options.calls, 1) for _ in range(options.rounds)]
                    _print_row("passed on by another", costs, first)


@asynccontextmanager
async def _servers(directory: Path, base_url: str, count: int) -> AsyncIterator[list[Server]]:
    """So many replicas, each with its own sessions."""
    kaltura = base_url.removesuffix(MIRROR_PATH)
    async with replicas(directory, kaltura, count, **REPLICA_SETTINGS) as running:
        servers = [Server(r.directory.name, r.port, r.process.pid, 0.0) for r in running.each]
        for each in servers:
            await each.open(SESSIONS)
        yield servers


async def _speak(servers: list[Server], calls: int, shift: int) -> tuple[float, list[Load]]:
    """The processor time of a speak in milliseconds, and the loads.

    Each replica is asked to speak in the sessions of the one that is `shift` places further.
    """
    before = sum(processor_seconds(each.process_id) for each in servers)
    loads = await asyncio.gather(
        *(
            load(each.port, _speaks(servers[(number + shift) % len(servers)], calls), CONNECTIONS)
            for number, each in enumerate(servers)
        )
    )
    await asyncio.sleep(OUTCOME_SECONDS)
    spent = sum(processor_seconds(each.process_id) for each in servers) - before
    await asyncio.sleep(calls / SESSIONS * SAID_SECONDS)  # until all is said, so that none queues
    return 1000 * spent / (calls * len(servers)), loads


def _speaks(owner: Server, calls: int) -> list[bytes]:
    """Speaks in an owner's sessions, each turn a new one, as a repeated turn is said once."""
    return [
        session.request(
            "speak", json.dumps({"text": "Hi.", "turnId": f"turn-{secrets.token_hex(6)}"}).encode()
        )
        for session in islice(cycle(owner.sessions), calls)
    ]


def _print_row(title: str, costs: list[tuple[float, list[Load]]], first: float) -> None:
    spent = median(cost for cost, _ in costs)
    rate = median(sum(load.rate for load in loads) for _, loads in costs)
    half, most = (
        median(load.percentile(percent) for _, loads in costs for load in loads)
        for percent in (50, 99)
    )
    row = f"{title:<24}{spent:>14.3f}{spent / first:>8.2f}{rate:>10.0f}{half:>8.1f}{most:>8.1f}"
    print(row, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
