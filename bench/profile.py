"""A profile of a speak's processor time: samples of the running broker, taken by py-spy.

A tracing profiler charges each call for its own work, which distorts code of many small calls, and
knows nothing of coroutines that wait. Samples of what runs have neither fault.
"""

import asyncio
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.plan import Plan
from bench.processes import ROOT
from bench.servers import BROKER, Server, server, upstream

CONNECTIONS: Final = 32
SAMPLES_A_SECOND: Final = 400
MOST_ROWS: Final = 40

_FRAME: Final = re.compile(r"(?P<function>.+) \((?P<file>.+?)(:\d+)?\)")

Stack = tuple[str, ...]
"""A call stack: functions, each as `module function`, the outermost first."""


async def profile(plan: Plan) -> None:
    """Print the time of modules and functions, by themselves and with the code that they call."""
    with tempfile.TemporaryDirectory() as name, upstream(Path(name)) as base_url:
        async with server(BROKER, Path(name), base_url) as broker:
            await broker.open(plan.sessions)
            await broker.speak(plan.sessions, CONNECTIONS)
            stacks, cpu_ms = await _sampled(broker, plan, Path(name) / "stacks")
    print(
        f"A speak took {cpu_ms:.3f} ms of processor time, of which {stacks.total()} samples tell:"
    )
    for title, names_of in (
        ("Modules by themselves", _last_module),
        ("Modules with what they call", _modules),
        ("Functions by themselves", _last),
        ("Functions with what they call", set),
    ):
        print(f"\n{title}:")
        _print_shares(stacks, names_of, cpu_ms)


async def _sampled(broker: Server, plan: Plan, into: Path) -> tuple[Counter[Stack], float]:
    """The stacks of some rounds of speaks, and what each speak cost in them."""
    sampler = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--nonblocking", "--function"),
        *("--rate", str(SAMPLES_A_SECOND), "--full-filenames", "--duration", "unlimited"),
        *("--format", "raw", "--output", str(into), "--pid", str(broker.process_id)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        costs = [(await broker.speak(plan.calls, CONNECTIONS)).cpu_ms for _ in range(plan.rounds)]
    finally:
        if sampler.returncode is None:
            sampler.send_signal(signal.SIGINT)
        _, told = await sampler.communicate()
    if sampler.returncode != 0:
        raise RuntimeError(f"py-spy took no samples: {told.decode()}")
    return _read(into), sum(costs) / len(costs)


def _read(path: Path) -> Counter[Stack]:
    """Parse stacks in py-spy's raw format: lines of `outermost;...;innermost COUNT`."""
    stacks: Counter[Stack] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        frames, count = line.rsplit(" ", 1)
        stacks[tuple(map(_named, frames.split(";")))] += int(count)
    return stacks


def _named(frame: str) -> str:
    found = _FRAME.fullmatch(frame)
    if found is None:
        return f"- {frame}"
    path = found["file"].removeprefix(f"{ROOT}/")
    path = re.sub(r".*(site-packages|python3\.\d+)/", "", path)
    return f"{path} {found['function']}"


def _module(function: str) -> str:
    return function.split(" ", 1)[0]


def _last(stack: Stack) -> set[str]:
    return {stack[-1]}


def _last_module(stack: Stack) -> set[str]:
    return {_module(stack[-1])}


def _modules(stack: Stack) -> set[str]:
    return set(map(_module, stack))


def _print_shares(
    stacks: Counter[Stack], names_of: Callable[[Stack], set[str]], cpu_ms: float
) -> None:
    shares: Counter[str] = Counter()
    for stack, count in stacks.items():
        shares.update(dict.fromkeys(names_of(stack), count))
    for name, count in shares.most_common(MOST_ROWS):
        share = count / stacks.total()
        print(f"{share * cpu_ms * 1000:10.0f} us {share:7.1%}  {name}")
