"""The request that the running code serves, for the audit record."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal

Surface = Literal["api", "mirror", "operator", "broker"]
"""Where a call came from: the visitor API, the mirror, the operator's API or the broker."""


@dataclass(frozen=True)
class AuditContext:
    """The request id and the surface; without a request, the broker acts by itself."""

    request_id: str | None = None
    surface: Surface = "broker"


_NOW: Final[ContextVar[AuditContext]] = ContextVar("audit_context", default=AuditContext())  # noqa: B039 - it is frozen


@contextlib.contextmanager
def audit_context(request_id: str, surface: Surface) -> Iterator[None]:
    """Attribute what is recorded inside the block to this request."""
    token = _NOW.set(AuditContext(request_id, surface))
    try:
        yield
    finally:
        _NOW.reset(token)


def current_context() -> AuditContext:
    """The context of the request that the running code serves."""
    return _NOW.get()
