"""The limit of open file descriptors, and the number of connections that it allows."""

import contextlib
import resource
from typing import Final

RESERVED: Final = 256
"""The descriptors that visitors' connections leave free.

They are for connections to Kaltura and the database, the log, and uploaded recordings.
"""


def raise_limit() -> None:
    """Raise this process's limit of open descriptors to its hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS may refuse its own hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_connections(wanted: int) -> int:
    """How many connections may be served, at most `wanted`; twice as many may be open.

    `RESERVED` descriptors stay free, or half of all descriptors where there are few.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    free = limit - min(RESERVED, limit // 2)
    return min(wanted, free // 2)
