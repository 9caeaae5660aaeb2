"""What the value of a setting may look like, and what is made of it."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

MIN_SERVICE_TOKEN_LENGTH: Final = 16


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in (part.strip() for part in value.split(",")) if part)
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("not an http(s) address")
    return value.rstrip("/")


def _base_url(value: str) -> str:
    parts = urlsplit(_http_url(value))
    if parts.query or parts.fragment:
        raise ValueError("an address to which paths are added has no ? and no #")
    return _http_url(value)


def _origin(value: str) -> str:
    parts = urlsplit(_http_url(value))
    if parts.path or parts.query or parts.fragment:
        raise ValueError("not an origin such as https://www.example.com, without a path")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value))


def _named_tokens(value: object) -> object:
    """`name:token, name:token` as a dict; a name that comes twice is a mistake."""
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition(":") for part in value.split(",") if part.strip()]
    tokens = {name: token for name, _, token in pairs}
    if len(tokens) < len(pairs) or not all(
        re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in tokens
    ):
        raise ValueError("not name:token, comma-separated, with names of letters, digits, _ and -")
    return tokens


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MIN_SERVICE_TOKEN_LENGTH:
        raise ValueError(f"each token needs at least {MIN_SERVICE_TOKEN_LENGTH} characters")
    return value


def _header_safe(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise ValueError("it has a space, a line break or a character that is not ASCII")
    return value


def _without_api_path(value: str) -> str:
    return value.removesuffix("/api_v3")


Secret = Annotated[SecretStr, AfterValidator(_header_safe)]
ServiceToken = Annotated[Secret, AfterValidator(_long_enough)]
Seconds = Annotated[int, Field(ge=1, le=7 * 24 * 3600)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ApiUrl = Annotated[BaseUrl, AfterValidator(_without_api_path)]
"""Kaltura's own guides name their API with `/api_v3` at the end, its clients without: both do."""

Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(_network)]
PartnerId = Annotated[int, Field(ge=1, lt=2**63)]
CommaSeparated = BeforeValidator(_comma_separated)
NamedTokens = BeforeValidator(_named_tokens)
