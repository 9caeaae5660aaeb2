"""What the broker knows of a visitor."""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from typing import Final, Self

_NO_TEXT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, surrogates, and what separates lines."""


def is_name(name: str) -> bool:
    """Whether a login may call someone so: a text of one line, in any script."""
    return not (name.isspace() or not name or _NO_TEXT & {unicodedata.category(c) for c in name})


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
