"""Checks whether pages of another site can use the broker, and which setting prevents it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.config.settings import Settings
from app.kaltura.contract import MEDIA_HOSTS
from app.sessions.readiness import is_safe_for_secrets
from app.web.embed.csp_sources import matches


@dataclass(frozen=True)
class Finding:
    """The result of checking one thing that a site needs; without a `fix` it is in order.

    A fault of one that `is_needed` keeps the element from working, others only some uses of it.
    """

    about: str
    text: str
    fix: str = ""
    is_needed: bool = False


def findings(settings: Settings, site: str, broker: str) -> Sequence[Finding]:
    """Check these settings for pages of the origin `site`, which reach the broker at `broker`.

    Both are origins as a browser writes them.
    """
    return [
        _address(site, broker),
        _calls(settings, site, broker),
        _login(settings, site, broker),
        _frame(settings, site, broker),
    ]


def needed_sources(settings: Settings, broker: str) -> Mapping[str, Sequence[str]]:
    """The sources that the Content-Security-Policy of such a page must allow, by directive."""
    connects = [broker] if settings.upstream_is_local else [broker, MEDIA_HOSTS]
    if not settings.sealed:
        api = urlsplit(settings.avatar_base_url)
        connects.append(f"{api.scheme}://{api.netloc}")
    return {"script-src": [broker], "connect-src": connects}


def picture_sources(settings: Settings, broker: str) -> Mapping[str, Sequence[str]]:
    """What it must allow for the pictures of the picker, which has names without them."""
    offers_choice = settings.avatar_allowed_ids or settings.avatar_catalog_tag
    return {"img-src": [broker]} if offers_choice else {}


def _address(site: str, broker: str) -> Finding:
    if site.startswith("https:") and not is_safe_for_secrets(broker):
        return Finding(
            "address",
            f"{site} is https and {broker} is not: browsers block such calls",
            "Put the broker behind https, and name that address in PUBLIC_URL.",
            is_needed=True,
        )
    return Finding("address", f"pages of {site} call {broker}")


def _calls(settings: Settings, site: str, broker: str) -> Finding:
    if site == broker:
        return Finding("calls", "the broker's own origin")
    if site in settings.allowed_origins:
        return Finding("calls", "ALLOWED_ORIGINS names it")
    return Finding(
        "calls",
        f"ALLOWED_ORIGINS does not name {site}: browsers keep the broker's answers from it",
        f"Set ALLOWED_ORIGINS={','.join([*settings.allowed_origins, site])}",
        is_needed=not _may_frame(settings, site),
    )


def _login(settings: Settings, site: str, broker: str) -> Finding:
    if settings.auth_mode == "jwt":
        return Finding("login", "each page gives the element its login's token by getAuthToken")
    if settings.auth_mode == "header" and site != broker:
        return Finding(
            "login",
            "AUTH_MODE=header: a page of another origin sends no cookie, so the proxy that signs "
            "visitors in does not know who calls",
            "Use AUTH_MODE=jwt, or let the site's own server open the sessions (SERVICE_TOKENS).",
        )
    return Finding("login", "every visitor may start")


def _frame(settings: Settings, site: str, broker: str) -> Finding:
    if site == broker or _may_frame(settings, site):
        return Finding("frame", "FRAME_ANCESTORS allows it to show the broker's pages in a frame")
    return Finding(
        "frame",
        "FRAME_ANCESTORS does not name it, so it can't show the broker's pages in a frame",
        "Only if it uses a frame, set "
        f"FRAME_ANCESTORS={','.join([*settings.frame_ancestors, site])}",
    )


def _may_frame(settings: Settings, site: str) -> bool:
    return any(matches(each, site) for each in settings.frame_ancestors)
