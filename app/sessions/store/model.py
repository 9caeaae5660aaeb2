"""A session as the broker knows it."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit, CreateRequest

WATCHED_SECONDS: Final = 25
"""A page that was heard of within this time is still there; it calls every 10 s."""


class EndReason(StrEnum):
    """Why a session is over."""

    VISITOR = "visitor"
    LEFT = "left"
    IDLE = "idle"
    EXPIRED = "expired"
    BUDGET = "budget"
    SHUTDOWN = "shutdown"
    GONE = "gone"
    FAILED = "failed"
    OPERATOR = "operator"


@dataclass(frozen=True)
class IdempotencyRecord:
    """The request that opened a session, so that it is answered with the same one again.

    `key` stands for its owner and their Idempotency-Key, `options` for what was wished for.
    """

    key: str
    options: str

    @classmethod
    def of(cls, owner: str, idempotency_key: str, request: CreateRequest) -> Self:
        """Digests: what a visitor sends is not kept."""
        options = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        return cls(cls.key_of(owner, idempotency_key), options)

    @staticmethod
    def key_of(owner: str, idempotency_key: str) -> str:
        """What stands for an owner's Idempotency-Key."""
        return hashlib.sha256(f"{owner}\0{idempotency_key}".encode()).hexdigest()


@dataclass(frozen=True)
class AvatarSession:
    """One session; times are those of `SessionClock`, `seen_at` and `leaves_at` its running ones.

    Nobody but the broker sees it before it is `ready`. `seen_at` is None while no sign of life
    has come and none is owed, as in direct mode. `leaves_at` is set when its page went away.
    `ended` is set as soon as nobody may use it any more, `ended_upstream` when Kaltura agrees.
    """

    access: SessionAccess
    owner: str
    opened_at: float
    expires_at: float
    token_expires_at: float
    seen_at: float | None
    ready: bool
    last_moment: EndReason = EndReason.EXPIRED
    """Why it ends at `expires_at`."""
    origin: IdempotencyRecord | None = None
    address: str | None = None
    """The network address that it was opened from, which a next process does not know."""
    delivered: bool = False
    """Whether its visitor got it."""
    media: ClientInit | None = None
    kept_alive_at: float = float("-inf")
    leaves_at: float | None = None
    ended: EndReason | None = None
    ended_at: float | None = None
    ended_upstream: bool = False
    end_attempts: int = 0
    end_again_at: float = 0.0

    @property
    def session_id(self) -> str:
        """Kaltura's id of it, which is everyone's id of it."""
        return self.access.session_id

    def is_watched(self, now: float) -> bool:
        """Whether a page has it on show, as far as is known."""
        recently = self.seen_at is None or now - self.seen_at < WATCHED_SECONDS
        return self.ended is None and self.leaves_at is None and recently

    @property
    def is_elsewhere(self) -> bool:
        """Whether an earlier process opened it at another address, whose places are not ours."""
        return self.access.base_url is not None

    def seconds_between(self, since: float, now: float) -> float:
        """How long of that time it was open."""
        until = min(now if self.ended_at is None else self.ended_at, self.expires_at, now)
        return max(0.0, until - max(self.opened_at, since))
