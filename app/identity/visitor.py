"""The visitor: the owner of sessions."""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from typing import Final, Self

_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""The Unicode categories of control characters, surrogates, and line and paragraph separators."""


def is_name(name: str) -> bool:
    """Whether `name` is acceptable as a visitor's name at a login: one line, in any script."""
    return not (name.isspace() or not name or _FORBIDDEN & {unicodedata.category(c) for c in name})


@dataclass(frozen=True)
class Visitor:
    """A person or service that may own sessions, known by `id`.

    `name` is the visitor's name at their login, None without a login. It is for the audit only, so
    it is in no repr and no log.
    """

    id: str
    name: str | None = field(default=None, repr=False)

    @classmethod
    def signed_in(cls, issuer: str, name: str) -> Self:
        """The visitor whom `issuer` calls `name`, with the same id at every sign-in.

        The id does not depend on SECRET_KEY, so visitors keep their sessions when it changes.
        """
        return cls(hashlib.sha256(f"{issuer}\0{name}".encode()).hexdigest()[:32], name)
