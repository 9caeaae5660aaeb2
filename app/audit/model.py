"""What is on record: an entry for each call of a control, and for each turn in a session's life."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

OK: Final = "ok"
PENDING: Final = "pending"
"""It is under way."""

UNKNOWN: Final = "unknown"
"""Nobody knows what became of it: its process died, or gave it up."""


class Event(StrEnum):
    """What happened: a call, by Kaltura's name for it, or a turn in a session's life."""

    CREATE = "create"
    INIT_CLIENT = "init-client"
    SAY_TEXT = "say-text"
    SAY_AUDIO = "say-audio"
    INTERRUPT = "interrupt"
    KEEP_ALIVE = "keep-alive"
    END = "end"
    OPENED = "opened"
    """A session became its visitor's."""
    REFUSED = "refused"
    """Someone asked for a session and got none."""
    ENDED = "ended"
    """A session is over for everyone."""


@dataclass(frozen=True)
class Entry:
    """One entry; `at` is unix seconds.

    `outcome` is `OK`, the name of the problem, `PENDING` or `UNKNOWN`. `text` is what was to be
    said. Of entries with the same `once` the first is kept and the others are nothing.
    """

    at: float
    event: Event
    request_id: str | None = None
    session_id: str | None = None
    visitor: str | None = None
    outcome: str = OK
    upstream_status: int | None = None
    duration_ms: float | None = None
    text: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    once: str | None = None
