"""A process's processor time, memory and processor core, as the kernel has them."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
CLIENT_CORE: Final = 1
"""The core that upstream and load share, so that neither takes time from the server."""

_CPUCLOCK_SCHED: Final = 2


def processor_seconds(process_id: int) -> float:
    """The processor time of all threads of a process, user and system, in seconds.

    It is the kernel's clock of that process (`clock_getcpuclockid(3)`); `/proc/PID/stat` has the
    same time, but in steps of 10 ms.
    """
    return time.clock_gettime(~process_id << 3 | _CPUCLOCK_SCHED)


def memory_bytes(process_id: int) -> int:
    """The resident memory of a process (RSS), in bytes."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run this thread, and the processes that it starts, on one core during the block.

    Where the machine has fewer cores, all stays as it is.
    """
    before = os.sched_getaffinity(0)
    if core in before:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
