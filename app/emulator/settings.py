"""The settings of an emulator."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

DEFAULT_AVATAR_ID: Final = "ada"
"""The default avatar; every emulator also has `grace` and `alan`."""

DEFAULT_VOICE_ID: Final = "emulator-voice-en-1"
"""The default voice."""

CATALOG_TAG: Final = "emulator"
"""The admin tag of everything in an emulator's catalog."""

INVALID_KS_PREFIX: Final = "invalid-"
"""The prefix of a KS that every emulator refuses with 401."""

FORBIDDEN_KS_PREFIX: Final = "forbidden-"
"""The prefix of a KS that every emulator refuses with 403: valid, but without the permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorSettings:
    """The settings of one emulator; its tokens are not valid at another one."""

    ks: str | None = field(default=None, repr=False)
    """The only KS that may create sessions; with None, any KS that is not empty may."""

    avatar_id: str = DEFAULT_AVATAR_ID
    """The avatar whose portrait is drawn at the start; the others are drawn when first needed."""

    public_url: str | None = None
    """The base of `whepUrl`, such as `http://127.0.0.1:8001`; None: taken from each request."""

    jwt_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """The key that signs session tokens (HS256)."""

    token_seconds: int = 24 * 60 * 60
    """The lifetime of a session token; Kaltura's is about 24 h (reference 2.1)."""

    max_sessions: int = 64
    """The most open sessions; create answers 429 beyond it (reference D12)."""

    max_ended: int = 256
    """The most ended sessions that are kept, to answer 410 and to be shown."""

    max_calls: int = 256
    """The most calls that are kept for each session, and for calls that belong to none."""

    max_queued: int = 64
    """The most utterances waiting in one session; say-text and say-audio answer 429 beyond it."""

    connect_seconds: float = 20.0
    """How long a viewer may take to connect before another one may take its place."""

    is_still: bool = False
    """Whether the picture stands still, which costs little: for tests that do not look at it."""

    clock: Callable[[], float] = field(default=time.time, repr=False)
    """The clock for tokens and recorded calls, in unix seconds; media uses the event loop's."""
