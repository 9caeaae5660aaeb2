"""The types of settings: each checks a value, and says what is wrong with it.

Those that are URLs are in `app/config/url_types.py`.
"""

import ipaddress
import re
from typing import Annotated, Final, Literal

from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

MIN_SERVICE_TOKEN_LENGTH: Final = 16
MAX_SECONDS: Final = 7 * 24 * 3600
"""A week: a longer duration is taken for a mistake."""

MAX_PORT: Final = 65535
MAX_RATE: Final = 1_000_000
MAX_RATE_SECONDS: Final = 24 * 3600
"""A day: with SQLite rates are counted in memory alone; budgets are for longer times."""


def _separated_by(separator: str) -> BeforeValidator:
    def parts(value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in (part.strip() for part in value.split(separator)) if part)
        return value

    return BeforeValidator(parts)


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", value):
        raise ValueError("not the name of a header, such as X-Forwarded-User")
    if value.lower() in {"authorization", "avatar-token", "cookie"}:
        raise ValueError("it is the visitor's own; name the header that your proxy sets")
    return value


def is_address(host: str) -> bool:
    """Whether `host` is an IP address or `localhost`, rather than the name of a machine."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _host(value: str) -> str:
    if not is_address(value):
        raise ValueError("not an address such as 127.0.0.1 or ::, nor localhost")
    return value


def _port(value: object) -> object:
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise ValueError(f"not a port: 0 to {MAX_PORT}")
    return int(text)


def _network(value: str) -> str:
    return str(ipaddress.ip_network(value))


def _rate(value: str) -> str:
    try:
        (limit,) = parse_many(value)
    except ValueError:  # also raised by the unpacking, when there are several rates
        raise ValueError("not a rate such as 10/minute") from None
    if not (1 <= limit.amount <= MAX_RATE and limit.get_expiry() <= MAX_RATE_SECONDS):
        raise ValueError(f"not a rate such as 10/minute, of 1 to {MAX_RATE} calls in a day or less")
    return value


def _lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _named_tokens(value: object) -> object:
    """`name:token, name:token` as a dict; raises `ValueError` for a name that comes twice."""
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


def _integrity(value: str) -> str:
    hashes = value.split()
    if not hashes or not all(
        re.fullmatch(r"sha(256|384|512)-[A-Za-z0-9+/]{43,88}={0,2}", each) for each in hashes
    ):
        raise ValueError("not a hash such as sha384-... in base64 (Subresource Integrity)")
    return " ".join(hashes)


Days = Annotated[int, Field(ge=1, le=3650)]
Integrity = Annotated[str, AfterValidator(_integrity)]
Secret = Annotated[SecretStr, AfterValidator(_header_safe)]
ServiceToken = Annotated[Secret, AfterValidator(_long_enough)]
PartnerId = Annotated[int, Field(ge=1, lt=2**63)]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
Minutes = Annotated[int, Field(ge=0, le=1_000_000)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, BeforeValidator(_port)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Network = Annotated[str, AfterValidator(_network)]
Rate = Annotated[str, AfterValidator(_rate)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower_case)]
CommaSeparated = _separated_by(",")
BarSeparated = _separated_by("|")
HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
NamedTokens = BeforeValidator(_named_tokens)
Control = Literal["speak", "speak-audio", "interrupt", "end"]
"""A control that visitors may have; watching and keep-alive are always allowed."""
