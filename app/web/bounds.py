"""The bounds of requests and of event streams: sizes, rates and durations."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WebBounds:
    """Bounds that no setting changes; tests bring narrower ones."""

    bodies_bytes: int = 64 * 1024 * 1024
    """All bodies under way together: six recordings of the largest size."""

    body_seconds: float = 15.0
    """How long a body may take to arrive, besides what `body_bytes_per_second` allows for."""

    body_bytes_per_second: int = 32 * 1024
    """The slowest rate at which a body may arrive: a slow phone is no attack."""

    session_events_seconds: float = 15.0
    """How often a session's event stream repeats its state, so that no proxy closes it."""

    stream_seconds: float = 10 * 60
    """The longest an operator's stream lasts; its reader connects again if still signed in."""

    look_seconds: float = 1.0
    """The pause between two updates of an operator's stream, unless the record has news."""

    rest_seconds: float = 0.2
    """The shortest pause between two updates of an operator's stream."""

    repeat_seconds: float = 15.0
    """How often an operator's stream repeats unchanged state, so that no proxy closes it."""
