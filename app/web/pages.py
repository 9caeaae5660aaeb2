"""The pages for visitors and developers."""

import secrets
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from app.config.settings import BUILTIN_PLAYER, Settings
from app.problems import PROBLEMS
from app.web.deps import (
    AssetsDep,
    CallerDep,
    OwnOriginDep,
    SettingsDep,
    TemplatesDep,
    VisitorAuthenticatorDep,
)
from app.web.docs.reference import reference
from app.web.docs.snippets import LANGUAGES
from app.web.embed.element_files import release_of, snippet_of
from app.web.middleware.csp import DOCUMENT_POLICY, page_policy, reference_policy
from app.web.route_classes import HeadRoute
from app.web.visitor.config import BUILTIN_PLAYER_FILE, public_config

SDK_NAME: Final = "@unisphere/models-sdk-js"

router = APIRouter(
    include_in_schema=False, default_response_class=HTMLResponse, route_class=HeadRoute
)


async def _live_page(
    request: Request,
    caller: CallerDep,
    authenticator: VisitorAuthenticatorDep,
    settings: SettingsDep,
    assets: AssetsDep,
    templates: TemplatesDep,
) -> Callable[[str], HTMLResponse]:
    def live_page(name: str) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        builtin = assets.url(BUILTIN_PLAYER_FILE)
        context = {
            "nonce": nonce,
            "settings": settings,
            "import_map": _import_map(settings, builtin),
            "config": {
                **public_config(settings, assets).model_dump(mode="json"),
                "avatarId": settings.avatar_id,
                "phrases": settings.page_phrases,
            },
        }
        headers = {"Content-Security-Policy": page_policy(settings, nonce)}
        response = templates.TemplateResponse(request, name, context, headers=headers)
        authenticator.greet(caller, request, response)
        return response

    return live_page


LivePage = Annotated[Callable[[str], HTMLResponse], Depends(_live_page)]
"""Renders a page that shows an avatar, and gives an anonymous visitor their cookie."""


@router.get("/")
async def page(live_page: LivePage) -> HTMLResponse:
    """The avatar's page."""
    return live_page("page.html")


@router.get("/approaches")
async def approaches(live_page: LivePage) -> HTMLResponse:
    """The page with the three approaches of Kaltura's guide, each to be tried here."""
    return live_page("approaches.html")


def _import_map(settings: Settings, builtin: str) -> dict[str, dict[str, str]]:
    """The import map: the SDK's address by its name, and the hash that it must have."""
    url = builtin if settings.sdk_url == BUILTIN_PLAYER else settings.sdk_url
    return {"imports": {SDK_NAME: url}} | (
        {"integrity": {url: settings.avatar_sdk_integrity}} if settings.avatar_sdk_integrity else {}
    )


@router.get("/problems/{name}")
async def problem(name: str, request: Request, templates: TemplatesDep) -> HTMLResponse:
    """The page of one problem: its meaning, and what to do."""
    found = next((kind for kind in PROBLEMS if kind.name == name), None)
    if found is None:
        raise HTTPException(404)
    headers = {"Content-Security-Policy": DOCUMENT_POLICY}
    return templates.TemplateResponse(request, "problem.html", {"problem": found}, headers=headers)


@router.get("/docs")
async def docs(
    request: Request, origin: OwnOriginDep, assets: AssetsDep, templates: TemplatesDep
) -> HTMLResponse:
    """The page of the API's documentation, made from its OpenAPI document."""
    document = request.app.openapi()
    nonce = secrets.token_urlsafe(16)
    context = {
        "nonce": nonce,
        "document": document,
        "groups": reference(document, origin),
        "languages": LANGUAGES,
        "problems": PROBLEMS,
        "snippet": snippet_of(origin, release_of(assets)),
    }
    headers = {"Content-Security-Policy": reference_policy(nonce)}
    return templates.TemplateResponse(request, "docs.html", context, headers=headers)


@router.get("/llms.txt", response_class=PlainTextResponse)
async def llms(
    request: Request, origin: OwnOriginDep, assets: AssetsDep, templates: TemplatesDep
) -> Response:
    """The same in short, for language models (llmstxt.org)."""
    visitors, *_ = reference(request.app.openapi(), origin)
    context = {
        "origin": origin,
        "snippet": snippet_of(origin, release_of(assets)),
        "endpoints": visitors.endpoints,
    }
    return templates.TemplateResponse(request, "llms.txt", context, media_type="text/plain")
