"""The addresses from which pages of other sites load `<kaltura-avatar>`."""

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from app.web.deps import AssetsDep
from app.web.embed.element_files import file_of, module_path, release_of
from app.web.route_classes import HeadRoute
from app.web.static_files import CHECKED, FOR_EVERY_ORIGIN, FOR_GOOD, PageFiles, etag_of

router = APIRouter(include_in_schema=False, route_class=HeadRoute)


@router.get("/avatar.js")
async def avatar_module(request: Request, assets: AssetsDep) -> Response:
    """The element as it is now: one line that leads to the release, asked for each time."""
    return _leading_to_module(request, assets)


@router.get("/embed/{version}/{path:path}")
async def embedded_file(version: str, path: str, request: Request, assets: AssetsDep) -> Response:
    """A file of one release, kept for good; without a bundle it leads to the modules."""
    release = release_of(assets)
    if release is None and path == "avatar.js":
        return _leading_to_module(request, assets)
    file = None if release is None else file_of(path, release, version)
    if file is None:
        raise HTTPException(404)
    response = await assets.get_response(file, request.scope)
    response.headers["Cache-Control"] = FOR_GOOD
    return response


def _leading_to_module(request: Request, assets: PageFiles) -> Response:
    content = f'export * from "{module_path(assets)}";\n'.encode()
    headers = {"Cache-Control": CHECKED, "ETag": etag_of(content)}
    response = Response(content, headers=headers, media_type="text/javascript")
    return assets.unless_known(response, request.headers, FOR_EVERY_ORIGIN)
