"""What a Kaltura account makes a Kaltura Session (KS) from.

Section numbers are those of the project's factual reference of the API.
"""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class AdminSecret:
    """An account's secret: it makes every KS, and can't be revoked (2.5)."""

    partner_id: int
    secret: SecretStr


@dataclass(frozen=True)
class AppToken:
    """A token that makes the KS it was made for, and can be revoked (2.5)."""

    partner_id: int
    token_id: str
    token: SecretStr
