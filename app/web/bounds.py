"""How much the web takes in, and how long it waits and tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebBounds:
    """Bounds that no setting changes; tests bring narrower ones."""

    bodies_bytes: int = 64 * 1024 * 1024
    """All bodies under way together: six recordings of the largest size."""

    body_seconds: float = 15.0
    """How long a body may take to arrive, and longer the more of it has: see below."""

    body_bytes_per_second: int = 32 * 1024
    """How slowly a body may arrive: a slow telephone is no attack."""

    session_events_seconds: float = 15.0
    """How often a session's followers are told the time left, so that no proxy closes the line."""

    stream_seconds: float = 10 * 60
    """Then an operator's stream ends and its reader asks anew: who has signed out gets no other."""

    look_seconds: float = 1.0
    """Between an operator's looks; what is new on the record is looked at sooner, but not much."""

    rest_seconds: float = 0.2
    """Between an operator's looks in any case."""

    repeat_seconds: float = 15.0
    """How often an operator is told what has not changed: clocks go wrong, and proxies close."""
