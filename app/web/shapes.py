"""The visitor surface's bodies, in camelCase on the wire."""

from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
)
from pydantic.alias_generators import to_camel

from app.kaltura.contract import ItemId, Turn, TurnId
from app.sessions.live import AvatarSession


class Shape(BaseModel):
    """camelCase on the wire, snake_case inside; an unknown field is a mistake to be told."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, extra="forbid"
    )


class CreateWish(Shape):
    """Which avatar and voice; nothing at all means the operator's defaults."""

    avatar_id: ItemId | None = None
    voice_id: ItemId | None = None


class SpeakRequest(Shape):
    """A text to be said."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Hello, I am an avatar."}]},
    )

    text: StrictStr = Field(description="What to say; at most MAX_TEXT_LENGTH characters")
    turn_id: TurnId | None = Field(
        default=None, description="Names the turn of speech; made by the broker when left out"
    )
    is_final: StrictBool = Field(default=True, description="false: more text of this turn follows")


class CreatedSession(Shape):
    """A session of this visitor, and what the page needs to show it."""

    session_id: str
    token: str = Field(description="Controls this one session; keep it in memory only")
    token_mode: Literal["sealed", "direct"]
    base_url: str = Field(description="The `baseUrl` for the SDK")
    expires_at: datetime


class SessionState(Shape):
    """A session's life."""

    session_id: str
    state: Literal["live", "ended"]
    expires_at: datetime
    seconds_left: int
    end_reason: str | None = None

    @classmethod
    def of(cls, session: AvatarSession, now: float) -> Self:
        """The state of `session` at `now` (unix seconds)."""
        ended = session.ended is not None
        return cls(
            session_id=session.session_id,
            state="ended" if ended else "live",
            expires_at=moment(session.expires_at),
            seconds_left=0 if ended else max(0, int(session.expires_at - now)),
            end_reason=session.ended,
        )


class SessionList(Shape):
    """The live sessions of one visitor."""

    sessions: list[SessionState]


class Media(Shape):
    """Where a session's sound and picture are (WHEP), and the TURN relay, if there is one."""

    whep_url: str
    turn: Turn | None = None


class Done(Shape):
    """Carried out."""

    success: Literal[True] = True


class Spoken(Done):
    """Accepted to be said."""

    turn_id: str


class Health(Shape):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadinessReport(Shape):
    """Whether a session can be opened, as far as is known without opening one."""

    ready: bool
    wrong: list[str] = Field(description="What keeps sessions from being opened, and the fix")
    warnings: list[str] = Field(description="What works, but should be known to the operator")


def moment(unix_seconds: float) -> datetime:
    """A point in time as it goes over the wire: UTC, ISO 8601."""
    return datetime.fromtimestamp(unix_seconds, UTC)
