"""The addresses from which pages of other sites load `<kaltura-avatar>`, or show it in a frame."""

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from app.web.deps import AssetsDep, SettingsDep, TemplatesDep
from app.web.embed.element_files import file_of, module_path, release_of
from app.web.middleware.csp import embed_policy
from app.web.route_classes import HeadRoute
from app.web.static_files import CHECKED, FOR_EVERY_ORIGIN, FOR_GOOD, PageFiles, etag_of

router = APIRouter(include_in_schema=False, route_class=HeadRoute)


@router.get("/avatar.js")
async def avatar_module(request: Request, assets: AssetsDep) -> Response:
    """The element as it is now: one line that leads to the release, asked for each time."""
    return _leading_to(module_path(assets), request, assets)


@router.get("/avatar-frame.js")
async def frame_module(request: Request, assets: AssetsDep) -> Response:
    """The module of the element that shows `/embed` in a frame: one line that leads to it."""
    return _leading_to(assets.url("embed/avatar-frame.js"), request, assets)


@router.get("/embed", response_class=HTMLResponse)
async def embed(
    request: Request, settings: SettingsDep, assets: AssetsDep, templates: TemplatesDep
) -> HTMLResponse:
    """The element over the whole of a frame. It sets no cookie: in a frame none would come back."""
    nonce = secrets.token_urlsafe(16)
    context = {
        "nonce": nonce,
        "element": module_path(assets),
        "config": {
            "ancestors": settings.frame_ancestors,
            "asksLogin": settings.auth_mode == "jwt",
        },
    }
    headers = {"Content-Security-Policy": embed_policy(settings, nonce)}
    return templates.TemplateResponse(request, "embed.html", context, headers=headers)


@router.get("/embed/{version}/{path:path}")
async def embedded_file(version: str, path: str, request: Request, assets: AssetsDep) -> Response:
    """A file of one release, kept for good; without a bundle it leads to the modules."""
    release = release_of(assets)
    if release is None and path == "avatar.js":
        return _leading_to(module_path(assets), request, assets)
    file = None if release is None else file_of(path, release, version)
    if file is None:
        raise HTTPException(404)
    response = await assets.get_response(file, request.scope)
    response.headers["Cache-Control"] = FOR_GOOD
    return response


def _leading_to(module: str, request: Request, assets: PageFiles) -> Response:
    content = f'export * from "{module}";\n'.encode()
    headers = {"Cache-Control": CHECKED, "ETag": etag_of(content)}
    response = Response(content, headers=headers, media_type="text/javascript")
    return assets.unless_known(response, request.headers, FOR_EVERY_ORIGIN)
