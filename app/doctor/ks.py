"""The contents of a Kaltura Session (KS) that can be read without the account's secret."""

import binascii
import re
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app.doctor.checks import CheckFailed, Verdict

_V1: Final = re.compile(rb"[0-9a-f]{40}\|(.+)", re.DOTALL)
_V2: Final = re.compile(rb"v2\|(\d{1,19})\|", re.DOTALL)
_ADMIN: Final = 2
_FIX: Final = (
    "Make an admin KS (type 2) with session.start, or let the broker make its own from an app "
    "token (KALTURA_APP_TOKEN)."
)


@dataclass(frozen=True)
class KsFields:
    """A KS's version and partner; only a V1 KS also shows its expiry (unix seconds) and type."""

    version: int
    partner_id: int
    expires_at: float | None = None
    type: int | None = None


def parse_ks(ks: str) -> KsFields | None:
    """Parse a KS (reference 2.4); None for text that is not a KS."""
    raw = _decoded(ks)
    if found := _V2.match(raw):
        return KsFields(2, int(found[1]))
    if found := _V1.fullmatch(raw):
        # partner; partner pattern; end; type; random; user; privileges; ...
        fields = found[1].decode(errors="replace").split(";")
        try:
            return KsFields(1, int(fields[0]), float(int(fields[2])), int(fields[3]))
        except (ValueError, IndexError):
            return None
    return None


def describe_ks(ks: str, now: float) -> str:
    """Describe the KS of AVATAR_KS; raises `CheckFailed` for one that is not usable.

    `now` is in unix seconds.
    """
    parsed = parse_ks(ks)
    if parsed is None:
        raise CheckFailed(
            "AVATAR_KS has not the form of a KS",
            "Was it cut when it was copied? What Kaltura makes begins with djJ8. "
            "Whether it does is seen at create.",
            verdict=Verdict.WARNING,
        )
    description = f"AVATAR_KS, version {parsed.version}, of partner {parsed.partner_id}"
    if parsed.expires_at is not None:
        until = datetime.fromtimestamp(min(parsed.expires_at, 4e9), UTC).strftime("%Y-%m-%d %H:%M")
        if parsed.expires_at <= now:
            raise CheckFailed(f"AVATAR_KS has expired on {until} UTC", _FIX)
        description = f"{description}, until {until} UTC"
    if parsed.type is not None and parsed.type != _ADMIN:
        raise CheckFailed(f"{description}, of type {parsed.type}", _FIX, verdict=Verdict.WARNING)
    return description


def _decoded(ks: str) -> bytes:
    for decode in (urlsafe_b64decode, b64decode):
        try:
            return decode(ks.encode() + b"=" * (-len(ks) % 4))
        except (binascii.Error, ValueError):
            continue
    return b""
