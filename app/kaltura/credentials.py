"""The credentials of a Kaltura account, from which a Kaltura Session (KS) is made.

Section numbers are those of the project's factual reference of the API.
"""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class AdminSecret:
    """An account's admin secret: it makes any KS, and can't be revoked (2.5)."""

    partner_id: int
    secret: SecretStr


@dataclass(frozen=True)
class AppToken:
    """An app token: it makes the kind of KS that it was added for, and can be revoked (2.5)."""

    partner_id: int
    token_id: str
    token: SecretStr
