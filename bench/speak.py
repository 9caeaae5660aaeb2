"""The processor time of a speak, in the broker and in servers that do comparable work.

Run by `make bench`. Everything is on loopback and bounded. The server runs on one core, the
stand-in Kaltura and the load on another. The measure is the server's processor time, as the kernel
counts it. The servers take turns in several rounds, and the median counts, because other load on
the machine varies. Ratios are to Express with the same protections.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from bench.keep_alives import print_keep_alives
from bench.other_costs import print_other_costs
from bench.plan import FULL, QUICK, Plan
from bench.processor import CLIENT_CORE, memory_bytes, on_core
from bench.profile import profile
from bench.servers import (
    SERVERS,
    UPSTREAM_MS,
    Cost,
    Server,
    server,
    upstream,
)

INTERRUPTED: Final = 130

Costs = dict[tuple[str, int], list[Cost]]
"""The costs of each server at each number of connections, one for each round."""


def main() -> None:
    """Print the tables, or with `--profile` the profile of a speak."""
    parser = argparse.ArgumentParser(description="What a speak costs.")
    parser.add_argument("--full", action="store_true", help="figures to decide by: ten minutes")
    parser.add_argument("--rounds", type=int, help="how often each server has its turn")
    parser.add_argument("--profile", action="store_true", help="where a speak's time goes")
    options = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("The processor time of another process is read as Linux has it.")
    plan = FULL if options.full else QUICK
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    try:
        with on_core(CLIENT_CORE):
            uvloop.run(profile(plan) if options.profile else report(plan))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


async def report(plan: Plan) -> None:
    """Compare the servers by speaks and by keep-alives, and print the broker's other costs."""
    with tempfile.TemporaryDirectory() as name, upstream(Path(name)) as base_url:
        await _compare(plan, Path(name), base_url)
        await print_keep_alives(plan, Path(name), base_url)
        await print_other_costs(plan, Path(name), base_url)


async def _compare(plan: Plan, directory: Path, base_url: str) -> None:
    print(
        f"A speak, with {plan.sessions} sessions and {UPSTREAM_MS} ms of Kaltura "
        f"(median of {plan.rounds} rounds of {plan.calls}):"
    )
    async with contextlib.AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(server(name, directory, base_url)) for name in SERVERS
        ]
        for each in servers:
            await each.open(plan.sessions)
            await each.speak(plan.sessions, max(plan.connections))  # the first of each costs more
        _print_table(plan, servers, await _take_turns(plan, servers))


async def _take_turns(plan: Plan, servers: list[Server]) -> Costs:
    costs: Costs = {}
    for _ in range(plan.rounds):
        for connections in plan.connections:
            calls = plan.calls_alone if connections == 1 else plan.calls
            for each in servers:
                cost = await each.speak(calls, connections)
                costs.setdefault((each.name, connections), []).append(cost)
    return costs


def _print_table(plan: Plan, servers: list[Server], costs: Costs) -> None:
    def row(title: str, form: str, values: list[float]) -> None:
        print(f"{title:>36}" + "".join(f"{value:>20{form}}" for value in values))

    def medians(of: Callable[[Cost], float], connections: int) -> list[float]:
        return [median(map(of, costs[each.name, connections])) for each in servers]

    print(" " * 36 + "".join(f"{each.name:>20}" for each in servers))
    for connections in plan.connections:
        spent = medians(lambda cost: cost.cpu_ms, connections)
        print(f"with {connections} connection{'s'[: connections - 1]}")
        row("processor ms", ".3f", spent)
        row("ratio", ".2f", [each / spent[-1] for each in spent])
        row("speaks a second", ".0f", medians(lambda cost: cost.load.rate, connections))
        row("p50 ms", ".1f", medians(lambda cost: cost.load.percentile(50), connections))
        row("p99 ms", ".1f", medians(lambda cost: cost.load.percentile(99), connections))
    row("processor ms until ready", ".0f", [each.start_seconds * 1000 for each in servers])
    row("memory MB", ".0f", [memory_bytes(each.process_id) / 2**20 for each in servers])


if __name__ == "__main__":
    main()
