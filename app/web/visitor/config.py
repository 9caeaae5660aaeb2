"""The settings that every page may know."""

from typing import Final

from fastapi import APIRouter, Response

from app.config.settings import BUILTIN_PLAYER, Settings
from app.sessions.audio.recordings import MAX_AUDIO_SECONDS
from app.web.deps import AssetsDep, SettingsDep
from app.web.docs.openapi import operation_id
from app.web.route_classes import HeadRoute
from app.web.static_files import PageFiles
from app.web.visitor.schemas import PublicConfig

BUILTIN_PLAYER_FILE: Final = "player/index.js"
CACHED: Final = "public, max-age=60"

router = APIRouter(
    prefix="/api",
    tags=["Visitor"],
    generate_unique_id_function=operation_id,
    route_class=HeadRoute,
)


@router.get("/config")
async def get_config(response: Response, settings: SettingsDep, assets: AssetsDep) -> PublicConfig:
    """What a page needs to know before it opens a session; the same for everyone."""
    response.headers["Cache-Control"] = CACHED
    return public_config(settings, assets)


def public_config(settings: Settings, assets: PageFiles) -> PublicConfig:
    """The settings that are no secret, and where the players are."""
    is_builtin = settings.sdk_url == BUILTIN_PLAYER
    return PublicConfig(
        max_text_length=settings.max_text_length,
        max_audio_seconds=MAX_AUDIO_SECONDS,
        controls=settings.visitor_controls,
        emulator=settings.upstream_is_local,
        token_mode=settings.avatar_token_mode,
        player="builtin" if is_builtin else "sdk",
        builtin_player_url=assets.url(BUILTIN_PLAYER_FILE),
        sdk_url=None if is_builtin else str(settings.sdk_url),
        sdk_integrity=settings.avatar_sdk_integrity,
    )
