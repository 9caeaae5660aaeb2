"""The emulator's catalog: its looks with their pictures, and its voices (reference 7)."""

import asyncio
import io
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response

from app.emulator.call_recording import THUMBNAIL_PATH
from app.emulator.control import check_ks, parsed
from app.emulator.face.looks import LOOKS
from app.emulator.face.portrait import picture_at_rest
from app.emulator.refusals import RefusalError
from app.emulator.settings import CATALOG_TAG, EmulatorSettings
from app.kaltura.contract import (
    CATALOG_PATH,
    CatalogItem,
    CatalogPage,
    CatalogQuery,
    ItemAttributes,
    ItemDescription,
    ItemType,
)

THUMBNAIL_PIXELS: Final = 256

_LANGUAGES: Final = {
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "de": "Deutsch",
    "he": "עברית",
}
_VOICES_EACH: Final = 2


class CatalogApi:
    """The handlers of the catalog of one emulator."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self._settings = settings

    @property
    def router(self) -> APIRouter:
        """The routes of the list, and of the pictures that it names."""
        router = APIRouter()
        router.add_api_route(f"{CATALOG_PATH}/list", self._list, methods=["POST"])
        router.add_api_route(f"{THUMBNAIL_PATH}/{{avatar_id}}.png", self._thumbnail)
        return router

    async def _list(self, request: Request) -> CatalogPage:
        check_ks(request, self._settings)
        query = await parsed(request, CatalogQuery)
        base = (self._settings.public_url or str(request.base_url)).rstrip("/")
        items = [each for each in _items(base) if query.filter.type_equal in {None, each.type}]
        start = query.pager.offset
        objects = items[start : start + query.pager.limit]
        return CatalogPage(
            objects=[each.model_dump(exclude_none=True) for each in objects],
            total_count=len(items),
        )

    async def _thumbnail(self, avatar_id: str) -> Response:
        if avatar_id not in LOOKS:
            raise RefusalError(HTTPStatus.NOT_FOUND, "No such picture")
        return Response(await asyncio.to_thread(_thumbnail, avatar_id), media_type="image/png")


@lru_cache(maxsize=len(LOOKS))
def _thumbnail(avatar_id: str) -> bytes:
    """The picture of an avatar as PNG."""
    file = io.BytesIO()
    picture = picture_at_rest(LOOKS[avatar_id])
    picture.resize((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)).save(file, "PNG")
    return file.getvalue()


def _items(base: str) -> Iterator[CatalogItem]:
    """Every item, the looks first; `base` is where the emulator is reached."""
    for look in LOOKS:
        yield CatalogItem(
            item_id=look,
            type=ItemType.VISUAL,
            attributes=ItemAttributes(visual=ItemDescription(name=look.capitalize())),
            admin_tags=(CATALOG_TAG,),
            image_url=f"{base}{THUMBNAIL_PATH}/{look}.png",
        )
    for language, name in _LANGUAGES.items():
        for number in range(1, _VOICES_EACH + 1):
            voice = ItemDescription(name=f"{name} {number}", language=language)
            yield CatalogItem(
                item_id=f"emulator-voice-{language}-{number}",
                type=ItemType.VOICE,
                attributes=ItemAttributes(voice=voice),
                admin_tags=(CATALOG_TAG,),
            )
