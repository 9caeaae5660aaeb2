"""Compares the sources in a site's Content-Security-Policy with addresses."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_DECIDED_BY_TAG: Final = re.compile(r"'(nonce-|sha\d+-|strict-dynamic)")
"""Sources that allow a script by something else than its address."""


def blocked(policies: Iterable[str], needed: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The addresses that any of the policies blocks, by the directive that has to name them."""
    every = list(map(_directives, policies))
    missing = {
        name: [each for each in addresses if any(_blocks(one, name, each) for one in every)]
        for name, addresses in needed.items()
    }
    return {name: addresses for name, addresses in missing.items() if addresses}


def matches(source: str, address: str) -> bool:
    """Whether a source names an address: `*`, a scheme such as `https:`, or a host (6.7.2.8)."""
    wanted = urlsplit(address)
    if source in {"*", f"{wanted.scheme}:"}:
        return True
    named = urlsplit(source if "://" in source else f"{wanted.scheme}://{source}")
    return (
        _scheme_matches(named, wanted)
        and _host_matches(named, wanted)
        and _port_matches(named, wanted)
    )


def _directives(policy: str) -> dict[str, list[str]]:
    """The sources of each directive; of two of one name the first counts (CSP 3, 2.2.1)."""
    directives: dict[str, list[str]] = {}
    for directive in policy.lower().split(";"):
        name, *sources = directive.split() or [""]
        directives.setdefault(name, sources)
    return directives


def _blocks(directives: Mapping[str, Iterable[str]], name: str, address: str) -> bool:
    sources = directives.get(name, directives.get("default-src"))
    return sources is not None and not any(
        _DECIDED_BY_TAG.match(source) or matches(source, address) for source in sources
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
