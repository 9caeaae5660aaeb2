"""The problems that a caller can be answered (RFC 9457), one class each.

`/problems/{name}` and the OpenAPI document are made from the classes.
"""

from app.problems.base import Problem
from app.problems.replicas import OutcomeUnknown, ReplicaUnavailable
from app.problems.requests import (
    ControlNotAllowed,
    CrossSiteRequest,
    InvalidRequest,
    NothingToSay,
    RateLimited,
    SignInUnavailable,
    SpeechRefused,
    Unauthenticated,
)
from app.problems.sessions import (
    AtCapacity,
    BudgetSpent,
    QueueFull,
    RecordUnavailable,
    SessionEnded,
    SessionNotFound,
    TicketNotFound,
    TooManySessions,
)
from app.problems.upstream import (
    UPSTREAM,
    KalturaBusy,
    KalturaCredentialsRejected,
    KalturaFailed,
    KalturaTimeout,
    KalturaUnavailable,
    SpeechUnavailable,
)

__all__ = [
    "PROBLEMS",
    "UPSTREAM",
    "AtCapacity",
    "BudgetSpent",
    "ControlNotAllowed",
    "CrossSiteRequest",
    "InvalidRequest",
    "KalturaBusy",
    "KalturaCredentialsRejected",
    "KalturaFailed",
    "KalturaTimeout",
    "KalturaUnavailable",
    "NothingToSay",
    "OutcomeUnknown",
    "Problem",
    "QueueFull",
    "RateLimited",
    "RecordUnavailable",
    "ReplicaUnavailable",
    "SessionEnded",
    "SessionNotFound",
    "SignInUnavailable",
    "SpeechRefused",
    "SpeechUnavailable",
    "TicketNotFound",
    "TooManySessions",
    "Unauthenticated",
]

PROBLEMS: tuple[type[Problem], ...] = (
    InvalidRequest,
    Unauthenticated,
    SignInUnavailable,
    CrossSiteRequest,
    ControlNotAllowed,
    SessionNotFound,
    SessionEnded,
    TicketNotFound,
    RateLimited,
    TooManySessions,
    BudgetSpent,
    QueueFull,
    AtCapacity,
    RecordUnavailable,
    ReplicaUnavailable,
    OutcomeUnknown,
    KalturaCredentialsRejected,
    KalturaBusy,
    KalturaTimeout,
    KalturaFailed,
    KalturaUnavailable,
    SpeechUnavailable,
    SpeechRefused,
)
"""Every problem that an answer can have, in the order of the documentation."""
