"""The entries of the audit record: one for each control call and each session event."""

from enum import StrEnum
from typing import Any, Final, NamedTuple

OK: Final = "ok"
PENDING: Final = "pending"
"""The outcome of a call that is not over yet."""

UNKNOWN: Final = "unknown"
"""The outcome of a call whose process was killed, or gave it up, before it was over."""


class Event(StrEnum):
    """What an entry is about: a control call, by Kaltura's name for it, or a session event."""

    CREATE = "create"
    INIT_CLIENT = "init-client"
    SAY_TEXT = "say-text"
    SAY_AUDIO = "say-audio"
    INTERRUPT = "interrupt"
    KEEP_ALIVE = "keep-alive"
    END = "end"
    OPENED = "opened"
    """A session was opened and handed to its visitor."""
    REFUSED = "refused"
    """A request for a session was refused."""
    ENDED = "ended"
    """A session has ended, whatever the reason."""


class Entry(NamedTuple):
    """One entry of the audit record.

    `at` is unix seconds. `outcome` is `OK`, the name of a problem, `PENDING` or `UNKNOWN`. `text`
    is the text that was to be said. Of several entries with one `dedup_key`, the first is kept.
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
    detail: dict[str, Any] = {}  # noqa: RUF012 - it is never changed
    dedup_key: str | None = None
