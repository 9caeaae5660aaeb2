"""On whose behalf something is done just now, as far as the record tells."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal

Surface = Literal["api", "mirror", "operator", "broker"]
"""Where it was asked for: in the visitors' API, as of Kaltura, by the operator, or by nobody."""


@dataclass(frozen=True)
class AuditContext:
    """One request, or the broker's own doing, which no request asked for."""

    request_id: str | None = None
    surface: Surface = "broker"


_NOW: Final[ContextVar[AuditContext]] = ContextVar("asking", default=AuditContext())  # noqa: B039 - it is frozen


@contextlib.contextmanager
def audit_context(request_id: str, surface: Surface) -> Iterator[None]:
    """What is done inside of the block is done for this request."""
    token = _NOW.set(AuditContext(request_id, surface))
    try:
        yield
    finally:
        _NOW.reset(token)


def current_context() -> AuditContext:
    """The request for which this is done."""
    return _NOW.get()
