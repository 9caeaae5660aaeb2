"""What the broker knows of a visitor."""

import hashlib
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Visitor:
    """Someone who may own sessions.

    `id` stands for them everywhere. `name` is what their login calls them, None for those without
    one; it is for the audit alone, so no repr and no log has it.
    """

    id: str
    name: str | None = field(default=None, repr=False)

    @classmethod
    def signed_in(cls, issuer: str, name: str) -> Self:
        """Whom `issuer` calls `name`: the same id wherever and whenever they sign in.

        No key of the broker's is in it, so that a new SECRET_KEY leaves them their sessions.
        """
        return cls(hashlib.sha256(f"{issuer}\0{name}".encode()).hexdigest()[:32], name)
