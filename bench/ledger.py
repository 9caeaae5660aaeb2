"""What was seen of a run, and what it tells."""

import itertools
from collections.abc import Iterable


def most_at_once(spans: Iterable[tuple[float, float | None]]) -> int:
    """How many of these times share a moment; each is from when to when, or without an end."""
    changes: list[tuple[float, int]] = []
    for begin, end in spans:
        changes += [(begin, 1)] if end is None else [(begin, 1), (end, -1)]
    # In one moment those who leave make room for those who come.
    return max(itertools.accumulate(change for _, change in sorted(changes)), default=0)
