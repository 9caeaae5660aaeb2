"""The command of `make soak`: prints the results; exit code 1 means a broken guarantee."""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Callable, Container
from pathlib import Path

from bench.soak.history import RULES, duration_seconds, most_open, served
from bench.soak.replica_faults import FAULTS
from bench.soak.replicas_run import VISITORS, Load, ReplicaReport, soak_replicas
from bench.soak.run import CAP, Report, soak
from bench.soak.speaking_visitor import LENGTH_SECONDS

SEEDS = 1_000_000


def main() -> int:
    """Run the soak test and print its report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.soak")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEEDS))
    parser.add_argument("--replicas", type=int, default=0, help="so many brokers on one Postgres")
    parser.add_argument("--visitors", type=int, default=VISITORS, help="of replicas, at once")
    parser.add_argument("--cap", type=int, default=CAP, help="of replicas, sessions at once")
    parser.add_argument(
        "--rush", type=int, help="of replicas: so many visitors at once, each for about a second"
    )
    parser.add_argument(
        "--visit", type=float, default=LENGTH_SECONDS[1], help="the longest, in seconds"
    )
    parser.add_argument(
        "--older", type=Path, help="of replicas: the tree whose code the first runs"
    )
    parser.add_argument("--rules", type=_names(RULES), default=list(RULES), help=", ".join(RULES))
    parser.add_argument(
        "--faults",
        type=_names(FAULTS),
        default=list(FAULTS),
        help=f"of replicas: {', '.join(FAULTS)}",
    )
    options = parser.parse_args()
    print(f"seed {options.seed}: the same visitors, faults and kills, though never to the moment")
    sys.stdout.flush()
    report: Report | ReplicaReport
    if options.replicas:
        load = Load(options.visitors, (options.visit / 5, options.visit), cap=options.cap)
        if options.rush:  # each comes once, and all of them before the first fault
            options.minutes, load = 0, Load.rush(options.rush, options.cap)
        report = asyncio.run(
            soak_replicas(
                options.minutes * 60,
                options.seed,
                count=options.replicas,
                rules=options.rules,
                faults=options.faults,
                load=load,
                older=options.older,
            )
        )
        print(_table_of_replicas(report))
    else:
        report = asyncio.run(soak(options.minutes * 60, options.seed))
        print(_table(report))
    for words in report.broken:
        print(f"BROKEN: {words}")
    return 1 if report.broken else 0


def _names(known: Container[str]) -> Callable[[str], list[str]]:
    """The type of an argument that is a comma-separated list of known names; it may be empty."""

    def names(text: str) -> list[str]:
        given = [name for name in text.split(",") if name]
        for name in given:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name}")
        return given

    return names


def _table_of_replicas(report: ReplicaReport) -> str:
    history = report.history
    rows: list[tuple[str, object, str]] = [
        ("visitors", report.tally.visitors, ""),
        *((f"fault: {name}", count, "") for name, count in sorted(report.played.items())),
        ("visitors served", served(history), f"in {duration_seconds(history):.0f} s"),
        ("sessions opened", len(history.upstream), ""),
        *((f"texts accepted: {fate}", n, "") for fate, n in sorted(report.fates.items())),
        ("sessions open at once", most_open(history), f"{history.cap} may be"),
        ("sentences said", sum(map(len, history.said.values())), ""),
        ("longest gap in control in ms", round(report.longest_gap_seconds * 1000), ""),
        *((f"answered {what}", count, "") for what, count in sorted(report.tally.answers.items())),
        *((f"rule: {rule}", "checked", "") for rule in report.rules),
    ]
    return _lines(rows)


def _table(report: Report) -> str:
    found = report.outcome
    rows: list[tuple[str, object, str]] = [
        ("visitors", report.tally.visitors, ""),
        ("kills of the broker", len(found.killed_at), ""),
        ("sessions opened", len(found.upstream), ""),
        ("ended", sum(s.ended_at is not None for s in found.upstream), ""),
        ("left open", found.left_open, "0 is the promise"),
        ("never known", len(found.unknown), f"{found.lost} lost answers, {found.cut} cut by kills"),
        ("most open at once", found.highest, f"{found.cap} may be"),
        (
            "memory in MB",
            report.memory_at_start,
            f"when it was started; {report.memory_at_end} at the end",
        ),
        ("seconds until quiet", round(report.quiet_seconds), ""),
        *((f"answered {what}", count, "") for what, count in sorted(report.tally.answers.items())),
    ]
    return _lines(rows)


def _lines(rows: list[tuple[str, object, str]]) -> str:
    return "\n".join(f"{name:<42}{value!s:>8}  {more}".rstrip() for name, value, more in rows)


if __name__ == "__main__":
    sys.exit(main())
