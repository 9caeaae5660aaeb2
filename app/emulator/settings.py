"""What an emulator can be told."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

DEFAULT_AVATAR_ID: Final = "ada"
"""An avatar that every emulator has; `grace` and `alan` are the others."""

DEFAULT_VOICE_ID: Final = "emulator-voice-en-1"
"""A voice that every emulator has."""

INVALID_KS_PREFIX: Final = "invalid-"
"""A KS that begins so is refused by every emulator: 401."""

FORBIDDEN_KS_PREFIX: Final = "forbidden-"
"""A KS that begins so is genuine but may not create a session: 403."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """One emulator; each has its own sessions, and its tokens are worth nothing elsewhere."""

    ks: str | None = field(default=None, repr=False)
    """The one Kaltura Session that may create sessions; None takes any, as long as there is one."""

    avatar_id: str = DEFAULT_AVATAR_ID
    """The avatar whose portrait is drawn at the start; the others when first wanted."""

    public_url: str | None = None
    """The base of `whepUrl`, such as `http://127.0.0.1:8001`; None takes it from each request."""

    jwt_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs the session tokens (HS256)."""

    token_seconds: int = 24 * 60 * 60
    """Lifetime of a session token; Kaltura's is about 24 h (reference 2.1)."""

    max_sessions: int = 64
    """Sessions open at once; create answers 429 beyond it (reference D12)."""

    max_ended: int = 256
    """Ended sessions that are remembered, to answer 410 and to show; older ones are unknown."""

    max_calls: int = 256
    """Calls remembered for each session, and for all calls that belong to none."""

    max_queued: int = 64
    """Utterances waiting in one session; say-text and say-audio answer 429 beyond it."""

    connect_seconds: float = 20.0
    """How long a viewer may take to connect before its slot is free again."""

    is_still: bool = False
    """Whether the picture stands still, which costs little: for tests that do not look at it."""

    clock: Callable[[], float] = field(default=time.time, repr=False)
    """Seconds since the epoch, for tokens and records; media keeps its own time."""
