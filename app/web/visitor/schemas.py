"""The visitor surface's bodies, in camelCase on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import Form
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from app.config.setting_types import Control
from app.config.settings import Settings
from app.kaltura.contract import MIRROR_PATH, ItemId, SayTextRequest, Turn, TurnId
from app.sessions.capacity.manager import QueuePosition
from app.sessions.catalog.offer import OfferedItem
from app.sessions.clock import SessionClock
from app.sessions.speech.text.validation import JsonText
from app.sessions.speech.utterances import Receipt, UtteranceState
from app.sessions.speech.voice.tts_fallback import SpeechMode
from app.sessions.store.model import AvatarSession, EndReason
from app.sessions.tokens import OpenedSession

_SECONDS_LEFT: Final = "It can shrink: today's minutes may be used up before"


class ApiModel(BaseModel):
    """A body in camelCase on the wire and snake_case inside; an unknown field is an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, extra="forbid"
    )


class PublicConfig(ApiModel):
    """What every page may know of the broker's settings."""

    max_text_length: int = Field(description="Characters in one text; MAX_TEXT_LENGTH")
    max_audio_seconds: float = Field(description="The longest recording")
    controls: tuple[Control, ...] = Field(description="What visitors may do; VISITOR_CONTROLS")
    emulator: bool = Field(description="Whether the emulator stands in for Kaltura")
    token_mode: Literal["sealed", "direct"] = Field(description="AVATAR_TOKEN_MODE")
    player: Literal["builtin", "sdk"] = Field(description="What the broker's own page shows by")
    builtin_player_url: str = Field(description="The bundled player, an ES module")
    sdk_url: str | None = Field(None, description="Kaltura's SDK, where it is not `builtin`")
    sdk_integrity: str | None = Field(None, description="The hash that the SDK must have")


class CatalogAvatar(ApiModel):
    """An avatar that visitors may choose."""

    avatar_id: ItemId
    name: str = Field(description="For people; the id where Kaltura's catalog tells none")
    thumbnail_url: str | None = Field(description="A picture, at an address of the broker's")

    @classmethod
    def of(cls, avatar: OfferedItem, *, has_picture: bool) -> Self:
        """The API's form of an avatar."""
        address = f"/api/catalog/avatars/{avatar.id}/thumbnail"
        return cls(
            avatar_id=avatar.id, name=avatar.name, thumbnail_url=address if has_picture else None
        )


class CatalogVoice(ApiModel):
    """A voice that visitors may choose."""

    voice_id: ItemId
    name: str = Field(description="For people; the id where Kaltura's catalog tells none")
    language: str | None = Field(description="As Kaltura's catalog tells it, such as `en`")
    sample_url: str | None = Field(description="No samples are given out yet: always null")

    @classmethod
    def of(cls, voice: OfferedItem) -> Self:
        """The API's form of a voice."""
        return cls(voice_id=voice.id, name=voice.name, language=voice.language, sample_url=None)


class PublicCatalog(ApiModel):
    """What visitors may choose; the defaults come first."""

    avatars: list[CatalogAvatar]
    voices: list[CatalogVoice]


class CreateWish(ApiModel):
    """The avatar and the voice that are wished for; by default the operator's."""

    avatar_id: ItemId | None = None
    voice_id: ItemId | None = None


class CreateBody(CreateWish):
    """The body of create: a wish, and the ticket of a visitor without a cookie."""

    ticket: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        default=None,
        description="The ticket of a 202; only for callers that keep no cookie, others are known",
    )


class SpeakRequest(ApiModel):
    """A text to be said."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Hello, I am an avatar."}]},
    )

    text: JsonText = Field(description="What to say; at most MAX_TEXT_LENGTH characters")
    turn_id: TurnId | None = Field(
        default=None, description="Names the turn of speech; made by the broker when left out"
    )
    is_final: StrictBool = Field(default=True, description="false: more text of this turn follows")


class TextLine(ApiModel):
    """One line of a streamed text."""

    text: JsonText


class MirroredText(SayTextRequest):
    """The body of say-text on the mirror."""

    text: JsonText


class Heard(ApiModel):
    """A player's report that an utterance begins or ends."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "started"}]})

    state: Literal["started", "ended"]


class CreatedSession(ApiModel):
    """A session of this visitor, and what the page needs to show it."""

    session_id: str
    token: str = Field(description="Controls this one session; keep it in memory only")
    token_mode: Literal["sealed", "direct"]
    base_url: str = Field(description="The `baseUrl` for the SDK")
    expires_at: datetime
    seconds_left: int = Field(description=_SECONDS_LEFT)

    @classmethod
    def of(
        cls, opened: OpenedSession, settings: Settings, *, origin: str, seconds_left: float
    ) -> Self:
        """The answer for a page that reaches the broker at `origin`."""
        return cls(
            session_id=opened.session.session_id,
            token=opened.token.get_secret_value(),
            token_mode=settings.avatar_token_mode,
            base_url=f"{origin}{MIRROR_PATH}" if settings.sealed else settings.avatar_base_url,
            expires_at=moment(opened.expires_at),
            seconds_left=int(seconds_left),
        )


class PlaceInLine(ApiModel):
    """A place in line for a session; ask `/api/waiting-room/{ticket}` until it is your turn."""

    ticket: str
    position: int = Field(description="1 is next")
    estimated_seconds: int = Field(description="Until your turn, if sessions last as lately")
    turn_seconds_left: int | None = Field(
        description="A number while it is your turn: call create within this time"
    )

    @classmethod
    def of(cls, waiting: QueuePosition) -> Self:
        """The API's form of a place in line."""
        return cls(
            ticket=waiting.ticket_id,
            position=waiting.position,
            estimated_seconds=waiting.estimated_seconds,
            turn_seconds_left=waiting.turn_seconds_left,
        )


class SessionState(ApiModel):
    """The state of a session."""

    session_id: str
    state: Literal["live", "ended"]
    expires_at: datetime
    seconds_left: int = Field(description=_SECONDS_LEFT)
    watched: bool = Field(description="Whether a page has it on show; if not, it can be resumed")
    end_reason: EndReason | None = None

    @classmethod
    def of(cls, session: AvatarSession, *, clock: SessionClock, seconds_left: float) -> Self:
        """The state of `session` now."""
        return cls(
            session_id=session.session_id,
            state="live" if session.ended is None else "ended",
            expires_at=moment(clock.to_wall(session.expires_at)),
            seconds_left=int(seconds_left),
            watched=session.is_watched(clock.running()),
            end_reason=session.ended,
        )


class SessionList(ApiModel):
    """The live sessions of one visitor."""

    sessions: list[SessionState]


class Media(ApiModel):
    """Where a session's sound and picture are (WHEP), and the TURN relay, if there is one."""

    whep_url: str
    turn: Turn | None = None


class Done(ApiModel):
    """The answer to a call that was carried out."""

    success: Literal[True] = True


class Spoken(Done):
    """The answer to a text or recording that was accepted."""

    turn_id: str
    state: UtteranceState | None = Field(
        None,
        description="Left out when it is said at once; queued: something is to be said before it; "
        "interrupted: a Stop came before it",
    )

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Its present fate; `utterances` and `events` tell the rest."""
        said = receipt.state in {UtteranceState.SPEAKING, UtteranceState.DONE}
        return cls(turn_id=receipt.turn_id, state=None if said else receipt.state)


class UtteranceReceipt(ApiModel):
    """One utterance and its fate; its times are estimates where Kaltura tells none."""

    turn_id: str
    text: str = Field(description="Empty for a recording")
    state: UtteranceState
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = Field(None, description="Why it was not said: a problem's name")
    fallback: bool = Field(False, description="Whether another voice than Kaltura's says it")  # noqa: FBT003 - pydantic's default

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """The API's form of an utterance."""
        return cls(
            turn_id=receipt.turn_id,
            text=receipt.text,
            state=receipt.state,
            queued_at=moment(receipt.queued_at),
            started_at=_moment_or_none(receipt.started_at),
            ended_at=_moment_or_none(receipt.ended_at),
            reason=receipt.reason,
            fallback=receipt.fallback,
        )


class UtteranceList(ApiModel):
    """The utterances of a session, oldest first; of a long session the last hundred."""

    utterances: list[UtteranceReceipt]


class SessionChanged(ApiModel):
    """An event with a session's state: the first, the last, and one after each silence."""

    event: Literal["session"]
    id: str | None = Field(None, description="`end`: no event follows")
    data: SessionState


class UtteranceChanged(ApiModel):
    """An event with an utterance's present fate."""

    event: Literal["utterance"]
    id: str = Field(description="What `Last-Event-ID` goes on after")
    data: UtteranceReceipt


class SessionEvent(RootModel[SessionChanged | UtteranceChanged]):
    """An event of a session's stream."""

    root: SessionChanged | UtteranceChanged = Field(discriminator="event")


class Health(ApiModel):
    """The answer of a process that is alive."""

    status: Literal["ok"] = "ok"


class ServingReport(ApiModel):
    """Whether the process takes requests that a load balancer could send elsewhere."""

    serving: bool


class ReadinessReport(ApiModel):
    """Whether a session can be opened, as far as is known without opening one."""

    ready: bool
    wrong: list[str] = Field(description="What keeps sessions from being opened, and the fix")
    warnings: list[str] = Field(description="What works, but should be known to the operator")
    speech: SpeechMode = Field(description="text: in Kaltura's own voice; audio: in another")


Duration = Annotated[
    Any,
    WithJsonSchema({"type": "number"}),
    Form(description="Counts for nothing, whatever it is: the length is measured"),
]
"""The length of a recording by its sender, a field of Kaltura's API that is ignored here."""


def moment(unix_seconds: float) -> datetime:
    """A point in time as it goes over the wire: UTC, ISO 8601."""
    return datetime.fromtimestamp(unix_seconds, UTC)


def _moment_or_none(unix_seconds: float | None) -> datetime | None:
    return None if unix_seconds is None else moment(unix_seconds)
