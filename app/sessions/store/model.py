"""Data of a session."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

from app.audit.model import Entry
from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit, CreateRequest

WATCHED_SECONDS: Final = 25
"""Seconds within which a page that was heard of counts as present; it calls every 10 s."""


class EndReason(StrEnum):
    """The reason why a session ended."""

    VISITOR = "visitor"
    LEFT = "left"
    IDLE = "idle"
    EXPIRED = "expired"
    BUDGET = "budget"
    SHUTDOWN = "shutdown"
    GONE = "gone"
    FAILED = "failed"
    OPERATOR = "operator"


class SessionsLost(Exception):  # noqa: N818 - not an error
    """Raised when sessions were not written, because another process has them or may take them."""

    def __init__(self, session_ids: set[str]) -> None:
        super().__init__(f"{len(session_ids)} sessions")
        self.session_ids = session_ids


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """Digests of the request that opened a session, by which a repeated request is recognised.

    `key` stands for the owner and the Idempotency-Key, `options` for the create request.
    """

    key: str
    options: str

    @classmethod
    def of(cls, owner: str, idempotency_key: str, request: CreateRequest) -> Self:
        """Make the digests of a request; the Idempotency-Key itself is not kept."""
        options = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        return cls(cls.key_of(owner, idempotency_key), options)

    @staticmethod
    def key_of(owner: str, idempotency_key: str) -> str:
        """The digest that stands for an owner's Idempotency-Key."""
        return hashlib.sha256(f"{owner}\0{idempotency_key}".encode()).hexdigest()


class AvatarSession(NamedTuple):
    """Data of one session; times are seconds of `SessionClock`.

    `seen_at` and `leaves_at` are the clock's `running` seconds. Until a session is `ready`, callers
    do not see it. `seen_at` is None while no sign of life has come and none is due, as in direct
    mode. `leaves_at` is set when the session's page goes away. `ended` is set as soon as callers
    can't use the session any more, `ended_upstream` when Kaltura has ended it too.

    Each call makes a changed copy: of a named tuple it takes 2 us, of a frozen dataclass 14.
    """

    access: SessionAccess
    owner: str
    opened_at: float
    expires_at: float
    token_expires_at: float
    seen_at: float | None
    ready: bool
    last_moment: EndReason = EndReason.EXPIRED
    """The reason with which the session ends at `expires_at`."""
    origin: IdempotencyRecord | None = None
    address: str | None = None
    """A keyed digest of the network address from which the session was opened."""
    opening_id: str | None = None
    """The id of the row in the table `openings` that the session's own row replaces."""
    utterances: bytes = b""
    """The utterances at the process that gave the session up: `Receipt`s as JSON."""
    speaks: tuple[Entry, ...] = ()
    """The audit entries of texts and recordings that earlier processes were asked to say."""
    delivered: bool = False
    """Whether the session reached its visitor."""
    media: ClientInit | None = None
    kept_alive_at: float = float("-inf")
    leaves_at: float | None = None
    ended: EndReason | None = None
    ended_at: float | None = None
    ended_upstream: bool = False
    end_attempts: int = 0
    end_again_at: float = 0.0
    budget_check_at: float = 0.0
    """The time before which the visitor's budget can't be used up."""

    @property
    def session_id(self) -> str:
        """Kaltura's id of the session, which the broker uses too."""
        return self.access.session_id

    def is_watched(self, now: float) -> bool:
        """Whether a page shows the session, as far as is known; `now` is a `running` time."""
        recently = self.seen_at is None or now - self.seen_at < WATCHED_SECONDS
        return self.ended is None and self.leaves_at is None and recently

    @property
    def is_elsewhere(self) -> bool:
        """Whether an earlier process opened it at another address; then it takes no place here."""
        return self.access.base_url is not None
