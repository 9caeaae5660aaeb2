"""The avatars and voices that visitors may choose, made of settings and catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app.config.settings import Settings
from app.kaltura.contract import CatalogItem, ItemDescription
from app.sessions.speech.text.validation import TextSanitizer, is_blank

MAX_NAME_LENGTH: Final = 80
MAX_LANGUAGE_LENGTH: Final = 35
"""The longest tag of a language that is in use (RFC 5646, 4.4.1)."""

_MORE: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class OfferedItem:
    """An avatar or a voice that visitors may choose; `picture_url` is Kaltura's own."""

    id: str
    name: str
    language: str | None = None
    picture_url: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether Kaltura's catalog has a name for it."""
        return self.name != self.id


@dataclass(frozen=True)
class Offer:
    """The avatars and voices that visitors may choose, by id; the defaults come first."""

    avatars: Mapping[str, OfferedItem]
    voices: Mapping[str, OfferedItem]


def offer_of(
    settings: Settings, visuals: Iterable[CatalogItem] = (), voices: Iterable[CatalogItem] = ()
) -> Offer:
    """The default and allowed ids, and the items with AVATAR_CATALOG_TAG.

    An id that the catalog does not have is its own name.
    """
    avatar_ids = settings.avatar_id, *settings.avatar_allowed_ids
    voice_ids = settings.avatar_voice_id, *settings.avatar_allowed_voice_ids
    tag = settings.avatar_catalog_tag
    return Offer(_offered(avatar_ids, visuals, tag), _offered(voice_ids, voices, tag))


def _offered(
    allowed: Iterable[str | None], items: Iterable[CatalogItem], tag: str | None
) -> dict[str, OfferedItem]:
    known = {item.item_id: item for item in items}
    tagged = (id_ for id_, item in known.items() if tag in (item.admin_tags or ()))
    ids = (id_ for id_ in (*allowed, *tagged) if id_ is not None)
    return {id_: _described(id_, known.get(id_)) for id_ in ids}


def _described(id_: str, item: CatalogItem | None) -> OfferedItem:
    if item is None:
        return OfferedItem(id_, name=id_)
    description = item.attributes.visual or item.attributes.voice or ItemDescription()
    return OfferedItem(
        id_,
        name=plain(description.name, MAX_NAME_LENGTH) or id_,
        language=plain(description.language, MAX_LANGUAGE_LENGTH),
        picture_url=item.image_url,
    )


def plain(text: str | None, max_length: int) -> str | None:
    """A text as one line of at most `max_length` characters; None when nothing is visible.

    Control characters and marks that change the direction of what follows are left out.
    """
    whole = (text or "").encode(errors="ignore").decode()  # drops unpaired surrogates
    line = " ".join(TextSanitizer().sanitize(whole).split())
    if is_blank(line):
        return None
    return line if len(line) <= max_length else f"{line[: max_length - 1].rstrip()}{_MORE}"
