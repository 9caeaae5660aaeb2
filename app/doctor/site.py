"""Checks of a site whose pages show the avatar: what would keep them from using this broker."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from app.config.settings import Settings
from app.doctor.checks import CheckFailed, CheckRunner, Verdict
from app.kaltura.contract import MEDIA_HOSTS
from app.kaltura.media import is_loopback_url

FETCH_SECONDS: Final = 10
_POLICY: Final = "Content-Security-Policy"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_DECIDED_BY_TAG: Final = re.compile(r"'(nonce-|sha\d+-|strict-dynamic)")
"""Sources that allow a script by something else than its address."""


async def check_site(settings: Settings, origin: str, broker: str, checks: CheckRunner) -> None:
    """Check whether a page of `origin` can use the broker, which it reaches at `broker`."""

    async def calls() -> str:
        return _check_calls(settings, origin, broker)

    async def login() -> str:
        return _check_login(settings, origin, broker)

    async def frame() -> str:
        return _check_frame(settings, origin, broker)

    async def address() -> str:
        return _check_address(origin, broker)

    await checks.run("address", address)
    await checks.run("calls", calls)
    await checks.run("login", login)
    await checks.run("frame", frame)
    await checks.run("policy", lambda: _check_policy(settings, origin, broker))


def _check_address(origin: str, broker: str) -> str:
    """Browsers keep pages of https from calling http, but for an address of the same machine."""
    if origin.startswith("https:") and broker.startswith("http:") and not is_loopback_url(broker):
        raise CheckFailed(
            f"{origin} is https and {broker} is not: browsers block such calls",
            "Put the broker behind https, and name that address in PUBLIC_URL.",
        )
    return f"pages of {origin} call {broker}"


def _check_calls(settings: Settings, origin: str, broker: str) -> str:
    if origin == broker:
        return "the broker's own origin"
    if origin not in settings.allowed_origins:
        allowed = ",".join([*settings.allowed_origins, origin])
        raise CheckFailed(
            f"ALLOWED_ORIGINS does not name {origin}: browsers keep the broker's answers from it",
            f"Set ALLOWED_ORIGINS={allowed}",
        )
    return "ALLOWED_ORIGINS names it"


def _check_login(settings: Settings, origin: str, broker: str) -> str:
    if settings.auth_mode == "jwt":
        return "each page gives the element its login's token by getAuthToken"
    if settings.auth_mode == "header" and origin != broker:
        raise CheckFailed(
            "AUTH_MODE=header: a page of another origin sends no cookie, so the proxy that signs "
            "visitors in does not know who calls",
            "Use AUTH_MODE=jwt, or let the site's own server open the sessions (SERVICE_TOKENS).",
            verdict=Verdict.WARNING,
        )
    return "every visitor may start"


def _check_frame(settings: Settings, origin: str, broker: str) -> str:
    if origin == broker or _is_among(origin, settings.frame_ancestors):
        return "FRAME_ANCESTORS allows it to show the broker's pages in a frame"
    ancestors = ",".join([*settings.frame_ancestors, origin])
    raise CheckFailed(
        "FRAME_ANCESTORS does not name it, so it can't show the broker's pages in a frame",
        f"Only if it uses a frame, set FRAME_ANCESTORS={ancestors}",
        verdict=Verdict.WARNING,
    )


async def _check_policy(settings: Settings, origin: str, broker: str) -> str:
    """Check the policy that the site's first page has; other pages may have another."""
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=FETCH_SECONDS) as http,
            http.stream("GET", origin) as answer,
        ):
            policies = answer.headers.get_list(_POLICY, split_commas=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CheckFailed(
            f"{origin} can't be reached from here ({type(error).__name__})",
            "Whether its Content-Security-Policy allows the broker is not known: see docs/csp.md.",
            verdict=Verdict.WARNING,
        ) from error
    if not policies:
        return "its first page has no Content-Security-Policy in its headers"
    media = broker if settings.upstream_is_local else MEDIA_HOSTS
    needed = {"script-src": [broker], "connect-src": [broker, media]}
    if missing := _missing(policies, needed):
        lines = "; ".join(f"{name} {' '.join(addresses)}" for name, addresses in missing.items())
        raise CheckFailed(
            "the Content-Security-Policy of its first page blocks what the element needs",
            f"Add to it: {lines}",
        )
    return "the Content-Security-Policy of its first page allows the element"


def _missing(policies: Iterable[str], needed: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The addresses that any of the policies blocks, by the directive that has to name them."""
    missing: dict[str, list[str]] = {}
    for directives in map(_directives, policies):
        for name, addresses in needed.items():
            sources = directives.get(name, directives.get("default-src"))
            for address in addresses:
                known = missing.get(name, [])
                if sources is not None and not _allows(sources, address) and address not in known:
                    missing[name] = [*known, address]
    return missing


def _directives(policy: str) -> dict[str, list[str]]:
    """The sources of each directive; of two of one name the first counts (CSP 3, 2.2.1)."""
    directives: dict[str, list[str]] = {}
    for directive in policy.lower().split(";"):
        name, *sources = directive.split() or [""]
        directives.setdefault(name, sources)
    return directives


def _allows(sources: Iterable[str], address: str) -> bool:
    return any(_DECIDED_BY_TAG.match(source) or _matches(source, address) for source in sources)


def _is_among(origin: str, ancestors: Iterable[str]) -> bool:
    return any(_matches(ancestor, origin) for ancestor in ancestors)


def _matches(source: str, address: str) -> bool:
    """Whether a source of a policy names an address: `*`, `https:`, or a host (CSP 3, 6.7.2.8)."""
    wanted = urlsplit(address)
    if source in {"*", f"{wanted.scheme}:"}:
        return True
    named = urlsplit(source if "://" in source else f"{wanted.scheme}://{source}")
    return all(
        matches(named, wanted) for matches in (_scheme_matches, _host_matches, _port_matches)
    )


def _scheme_matches(named: SplitResult, wanted: SplitResult) -> bool:
    return named.scheme == wanted.scheme or (named.scheme, wanted.scheme) == ("http", "https")


def _host_matches(named: SplitResult, wanted: SplitResult) -> bool:
    named_host, wanted_host = named.hostname or "", wanted.hostname or ""
    if named_host.startswith("*."):
        return wanted_host.endswith(named_host[1:])
    return named_host == wanted_host


def _port_matches(named: SplitResult, wanted: SplitResult) -> bool:
    default = _DEFAULT_PORTS.get(wanted.scheme)
    try:
        return (named.port or default) == (wanted.port or default)
    except ValueError:
        return named.netloc.endswith(":*")
