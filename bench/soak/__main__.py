"""The command of `make soak`: prints the results; exit code 1 means a broken guarantee."""

import argparse
import asyncio
import secrets
import sys

from bench.soak.run import Report, soak

SEEDS = 1_000_000


def main() -> int:
    """Run the soak test and print its report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench.soak")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEEDS))
    options = parser.parse_args()
    print(f"seed {options.seed}: the same visitors, faults and kills, though never to the moment")
    sys.stdout.flush()
    report = asyncio.run(soak(options.minutes * 60, options.seed))
    print(_table(report))
    for words in report.broken:
        print(f"BROKEN: {words}")
    return 1 if report.broken else 0


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
    return "\n".join(f"{name:<42}{value!s:>8}  {more}".rstrip() for name, value, more in rows)


if __name__ == "__main__":
    sys.exit(main())
