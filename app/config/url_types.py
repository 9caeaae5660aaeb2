"""The types of settings that are URLs, parsed as browsers do (WHATWG)."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationError
from pydantic_core import Url
from pydantic_settings import NoDecode

from app.config.setting_types import CommaSeparated
from app.kaltura.url_safety import is_loopback_url

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_NOT_IN_AN_ADDRESS: Final = re.compile(r"[\x00-\x20\x7f\"'<>\\^`{|};]")
"""Characters that a browser drops or encodes, or that have a meaning in a header (CSP)."""

_HAS_HOST: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
"""A host name in its ASCII form (IDNA), or an IP address."""

_NO_ORIGIN: Final = frozenset(
    {*("file", "ftp", "ws", "wss"), *("about", "blob", "data", "javascript")}
)
"""Schemes whose pages have the origin `null`, or that have no pages."""

_POSTGRES_URI: Final = re.compile(
    r"postgres(?:ql)?(?:\+asyncpg)?://"
    r"(?P<rest>(?:[^@/?#\s]*@)?[^@/?#\s]*(?:/(?P<name>[^@/?#\s]*))?(?:\?(?P<query>[^#\s]*))?)"
)
_NAMES_DATABASE: Final = re.compile(r"(?:^|&)(?:dbname|database|service)=[^&]")


def _parsed(value: str) -> Url:
    value = value.strip()
    if _NOT_IN_AN_ADDRESS.search(value):
        raise ValueError("an address has no space, quote or semicolon: percent-encode it")
    if not _HAS_HOST.match(value):
        raise ValueError("not an http(s) address")
    try:
        url = Url(value)
    except ValidationError as error:  # the error's text has the value, which may hold a password
        raise ValueError(f"not an address: {error.errors()[0]['ctx']['error']}") from None
    if not _HOST.fullmatch(url.host or ""):
        raise ValueError("not an address: its host has a character that no host has")
    if "@" in re.split(r"[/?#]", value.partition("://")[2], maxsplit=1)[0]:
        raise ValueError("not an http(s) address: it has a user or a password")
    if url.port == 0:
        raise ValueError("not an address: nothing listens at port 0")
    return url


def _http(value: str) -> Url:
    url = _parsed(value)
    if url.scheme not in _DEFAULT_PORTS:
        raise ValueError("not an http(s) address")
    return url


def _http_url(value: str) -> str:
    url = _http(value)
    return str(url) if url.path != "/" or url.query or url.fragment else _origin_of(url)


def _base_url(value: str) -> str:
    url = _http(value)
    if "?" in value or "#" in value:
        raise ValueError("an address to which paths are added has no ? and no #")
    return str(url).rstrip("/")


def origin(value: str) -> str:
    """The origin as a browser writes it; raises `ValueError` for other text."""
    url = _parsed(value)
    if url.scheme in _NO_ORIGIN or not _is_bare(url, value):
        raise ValueError("not an origin such as https://www.example.com, without a path")
    return _origin_of(url)


def _frame_ancestor(value: str) -> str:
    """An origin, or every origin below a domain: `https://*.example.com`."""
    scheme, every, domain = value.partition("://*.")
    return origin(f"{scheme}://{domain}").replace("://", every, 1) if every else origin(value)


def _public_url(value: str) -> str:
    url = _http(value)
    if not _is_bare(url, value):
        raise ValueError(
            "the broker is at the root of a host and can't be below a path: give it a host of its "
            "own, such as https://avatar.example.com"
        )
    return _origin_of(url)


def _is_bare(url: Url, value: str) -> bool:
    return url.path in {None, "", "/"} and "?" not in value and "#" not in value


def _origin_of(url: Url) -> str:
    """The origin of an address, as a browser writes it in the header `Origin`."""
    is_default = url.port is None or url.port == _DEFAULT_PORTS.get(url.scheme)
    return f"{url.scheme}://{url.host}" + ("" if is_default else f":{url.port}")


def _once_each(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origins))


def _tamper_proof_url(value: str) -> str:
    if not value.startswith("https://") and not is_loopback_url(value):
        raise ValueError("not an https address, and what it answers decides who is let in")
    return value


def _without_api_path(value: str) -> str:
    return value.removesuffix("/api_v3")


def _database_url(value: str) -> str:
    if value.startswith("sqlite+aiosqlite:///"):
        return value
    uri = _POSTGRES_URI.fullmatch(value)
    if uri is None or not (uri["name"] or _NAMES_DATABASE.search(uri["query"] or "")):
        raise ValueError(
            "not sqlite+aiosqlite:/// and a path, nor postgresql://user:password@host/name, where "
            "what has a meaning in an address is percent-encoded"
        )
    return f"postgresql+asyncpg://{uri['rest']}"


HttpUrl = Annotated[str, AfterValidator(_http_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ApiUrl = Annotated[BaseUrl, AfterValidator(_without_api_path)]
"""The address of Kaltura's core API, with or without `/api_v3` at the end."""

TamperProofUrl = Annotated[HttpUrl, AfterValidator(_tamper_proof_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(origin)], ...],
    *(NoDecode, CommaSeparated, AfterValidator(_once_each)),
]
"""Origins of pages, of any scheme: that of a mobile app may be `capacitor://localhost`."""

FrameAncestors = Annotated[
    tuple[Annotated[str, AfterValidator(_frame_ancestor)], ...],
    *(NoDecode, CommaSeparated, AfterValidator(_once_each)),
]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
