"""What the log says in place of an id: short, the same each time, and no way back."""

import hashlib
import hmac
import re
from typing import Final

LENGTH: Final = 12
"""Hexadecimal digits: enough that two sessions of one log hardly ever share an alias."""

MAX_PATH_LENGTH: Final = 200
"""What a path of ours never needs; a stranger's may be endless."""

_ID_IN_PATH: Final = re.compile(
    r"(/avatar-sessions?/+|/waiting-room/+)(?!create(?:/|$))([^/]+)", re.IGNORECASE
)


class Pseudonyms:
    """Aliases of ids under one key; without the key nobody can tell whose they are."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, identifier: str) -> str:
        """The alias of an id, such as `~3f9a2c1d0b4e`."""
        digest = hmac.digest(self._key, identifier.encode(errors="replace"), hashlib.sha256)
        return f"~{digest.hex()[:LENGTH]}"

    def in_path(self, path: str) -> str:
        """A path with aliases for the sessions and tickets in it."""
        shown = _ID_IN_PATH.sub(lambda found: found[1] + self.of(found[2]), path)
        return shown[:MAX_PATH_LENGTH]
