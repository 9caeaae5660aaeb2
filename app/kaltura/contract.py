"""The messages of Kaltura's Avatar Control API.

Three parts share this module, so that they cannot drift apart: the client (broker to Kaltura),
the mirror (browser to broker) and the emulator (a stand-in Kaltura). Sections and "D" numbers
in the docstrings are those of the project's factual reference of the API.
"""

from enum import Enum, StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MIRROR_PATH: Final = "/v1/avatar-session"
"""The path under which Kaltura, the mirror and the emulator serve every operation."""

MEDIA_HOSTS: Final = "https://*.kaltura.ai"
"""Where the media of sessions are: Kaltura chooses the host for each (reference 3 and 4.6)."""

CLIENT_ID: Final = "kaltura-avatar-sdk"
"""The client id that Kaltura's own SDK sends with create (1.2)."""

CLONED_VOICE_PREFIX: Final = "eself-"
"""The prefix of cloned voices' ids; create rejects such a voice with a model id (1.2)."""


class Operation(StrEnum):
    """The seven operations; each value is the last segment of its path (1.1)."""

    CREATE = "create"
    INIT_CLIENT = "init-client"
    SAY_TEXT = "say-text"
    SAY_AUDIO = "say-audio"
    INTERRUPT = "interrupt"
    KEEP_ALIVE = "keep-alive"
    END = "end"


CATALOG_PATH: Final = "/v1/catalog-item"
"""The path under which Kaltura and the emulator serve the catalog (7)."""


class CatalogCall(StrEnum):
    """The calls of the catalog: its items page by page, and the picture of one."""

    LIST = "catalog-item/list"
    THUMBNAIL = "thumbnail"


MAX_PAGE_ITEMS: Final = 100
"""The largest page that any client of Kaltura's asks for (7)."""

SESSION_ID_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
SessionId = Annotated[str, StringConstraints(pattern=SESSION_ID_PATTERN)]
"""A session's id: opaque, and safe as a path segment, as it never begins with a dot."""

ItemId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
"""An avatar's, voice's or model's id: a catalog `itemId` or 24 hex digits, opaque here (D3)."""

TurnId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
"""The id of one turn of speech; Kaltura suggests `turn-<millis>-<random>` (1.4)."""


class WireModel(BaseModel):
    """The base of messages: camelCase in JSON, snake_case in code; unknown fields are dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        frozen=True,
    )


class VisualConfig(WireModel):
    """The avatar to show; its id is sent as `id`, and read from `avatarId` too (D2)."""

    id: ItemId = Field(validation_alias=AliasChoices("id", "avatarId"))


class VoiceConfig(WireModel):
    """The voice to speak with, and its text-to-speech model."""

    id: ItemId | None = None
    model_id: ItemId | None = None
    speed: Annotated[float, Field(ge=0.5, le=2)] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z-]{2,35}$")] | None = None


class CreateRequest(WireModel):
    """The request that opens a session, authorised by a KS; never safe to repeat (1.2)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"visualConfig": {"id": "avatar-1"}}]}
    )

    client_id: ItemId | None = None
    visual_config: VisualConfig
    voice_config: VoiceConfig | None = None


class SayTextRequest(WireModel):
    """One text of a turn; `isFinal` is false when more of this turn follows (1.4).

    Callers have been seen to send `text` alone; the client always sends all three (D6).
    """

    text: str
    turn_id: TurnId | None = None
    is_final: bool = True


class Acknowledged(WireModel):
    """The answer of an operation that was carried out."""

    success: Literal[True] = True


class Created(Acknowledged):
    """The answer to create: a session's id, and the JWT that controls it for about 24 h (2.1)."""

    session_id: SessionId
    token: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,8192}$")]


class Turn(WireModel):
    """The TURN relay for media; `url` may be a bare host, an ICE URL, or several (D15)."""

    url: str | list[str]
    username: str | None = None
    credential: str | None = None


class ClientInit(Acknowledged):
    """The answer to init-client: the media's addresses, which a browser may be given (1.3)."""

    whep_url: Annotated[str, StringConstraints(min_length=1, max_length=2048)]
    turn: Turn | None = None


class ItemType(StrEnum):
    """The types of catalog items that make a session: an avatar's look, and a voice (7)."""

    VISUAL = "Visual"
    VOICE = "Voice"


class CatalogFilter(WireModel):
    """The items that are asked for."""

    type_equal: ItemType | None = None


class Pager(WireModel):
    """One page of items, counted from 0."""

    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = MAX_PAGE_ITEMS


class CatalogQuery(WireModel):
    """The request for one page of the catalog, authorised by a KS."""

    filter: CatalogFilter = CatalogFilter()
    pager: Pager = Pager()
    order_by: str | None = None


class ItemDescription(WireModel):
    """The description of a look or a voice in a catalog item; only voices have a language."""

    name: str | None = None
    language: str | None = None


class ItemAttributes(WireModel):
    """The description of a catalog item, under the name of its type."""

    visual: ItemDescription | None = None
    voice: ItemDescription | None = None


class CatalogItem(WireModel):
    """One item of the catalog; its id is what create takes for an avatar or a voice (7)."""

    item_id: ItemId
    type: ItemType
    attributes: ItemAttributes = ItemAttributes()
    admin_tags: tuple[str, ...] | None = None
    image_url: str | None = None


class CatalogPage(WireModel):
    """One page of the catalog; an item that is not as documented makes no page unusable."""

    objects: list[Any]
    total_count: int | None = None


class Refused(WireModel):
    """The answer of an operation that was not carried out."""

    success: Literal[False] = False
    error: str


class _StatusAndText(NamedTuple):
    status: int
    error: str


class DocumentedRefusal(Enum):
    """The documented refusals of operations, each a status and a text (1.1)."""

    TEXT_REQUIRED = _StatusAndText(400, "Text is required")
    INVALID_KS = _StatusAndText(401, "Invalid Kaltura Session")
    INVALID_TOKEN = _StatusAndText(401, "Invalid or expired token")
    KS_NOT_AUTHORIZED = _StatusAndText(403, "Kaltura Session not authorized")
    SESSION_NOT_FOUND = _StatusAndText(404, "Session not found")
    SESSION_ENDED = _StatusAndText(410, "Session ended")
    INTERNAL = _StatusAndText(500, "Internal server error")

    @property
    def status(self) -> int:
        """The HTTP status of this refusal."""
        return self.value.status

    @property
    def error(self) -> str:
        """The text of this refusal's field `error`."""
        return self.value.error
