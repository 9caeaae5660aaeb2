"""How many files and connections this process may have open."""

import contextlib
import resource
from typing import Final

RESERVED: Final = 256
"""Descriptors that no connection of a visitor takes.

For the connections to Kaltura and the database, the log, and recordings that are read.
"""


def raise_limit() -> None:
    """Let this process have as many as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections(wanted: int) -> int:
    """How many connections may be answered, at most `wanted`; twice as many may be open.

    It leaves `RESERVED` descriptors, or half of them all where there are few.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    free = limit - min(RESERVED, limit // 2)
    return min(wanted, free // 2)
