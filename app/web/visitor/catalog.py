"""The routes of the catalog: what visitors may choose, and its pictures."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from app.problems import ControlNotAllowed, KalturaFailed
from app.web.deps import AssetsDep, CatalogDep, ThumbnailsDep
from app.web.docs.openapi import operation_id, problems
from app.web.route_classes import HeadRoute
from app.web.static_files import etag_of
from app.web.visitor.config import CACHED
from app.web.visitor.schemas import CatalogAvatar, CatalogVoice, PublicCatalog

PICTURE_CACHED: Final = "public, max-age=600"
FOR_EVERY_PAGE: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
"""An `<img>` of any origin may show a picture; no script of another origin reads it."""

_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        "description": "PNG, JPEG, GIF, WebP or AVIF",
    },
    304: {"description": "It is as the `If-None-Match` has it"},
}

AvatarIdPath = Annotated[str, Path(alias="avatarId")]

router = APIRouter(
    prefix="/api/catalog",
    tags=["Visitor"],
    generate_unique_id_function=operation_id,
    route_class=HeadRoute,
)


@router.get("")
async def get_catalog(
    response: Response, catalog: CatalogDep, thumbnails: ThumbnailsDep
) -> PublicCatalog:
    """The avatars and voices that create takes, the defaults first; the same for everyone."""
    offer = await catalog.offer()
    response.headers["Cache-Control"] = CACHED
    return PublicCatalog(
        avatars=[
            CatalogAvatar.of(avatar, has_picture=thumbnails.has(avatar))
            for avatar in offer.avatars.values()
        ],
        voices=[CatalogVoice.of(voice) for voice in offer.voices.values()],
    )


@router.get(
    "/avatars/{avatarId}/thumbnail",
    response_class=Response,
    responses=_PICTURE | problems(ControlNotAllowed, KalturaFailed),
)
async def get_thumbnail(
    avatar_id: AvatarIdPath, request: Request, thumbnails: ThumbnailsDep, assets: AssetsDep
) -> Response:
    """The picture of an avatar that is offered, of at most 1 MB."""
    picture = await thumbnails.find(avatar_id)
    headers = {"Cache-Control": PICTURE_CACHED, "ETag": etag_of(picture.content)}
    response = Response(picture.content, headers=headers, media_type=picture.media_type)
    return assets.unless_known(response, request.headers, FOR_EVERY_PAGE)
