"""Pseudonyms: short, stable stand-ins for ids in the log, which can't be reversed."""

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Final

LENGTH: Final = 12
"""Hexadecimal digits of a pseudonym: enough that two ids of one log hardly ever share one."""

MAX_REMEMBERED: Final = 4096
"""Ids whose pseudonyms are remembered; about 1 MB."""

MAX_PATH_LENGTH: Final = 200
"""Characters of a path that are logged; the broker's own paths are shorter."""

_ID_IN_PATH: Final = re.compile(
    r"(/avatar-sessions?/+|/waiting-room/+)(?!create(?:/|$))([^/]+)", re.IGNORECASE
)


class Pseudonyms:
    """The pseudonyms of ids under one key; without the key they can't be matched to ids."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # The lines of one call name its session several times; each digest takes 7 us.
        self._remembered = lru_cache(MAX_REMEMBERED)(self._pseudonym)

    def of(self, identifier: str) -> str:
        """The pseudonym of an id, such as `~3f9a2c1d0b4e`."""
        return self._remembered(identifier)

    def _pseudonym(self, identifier: str) -> str:
        digest = hmac.digest(self._key, identifier.encode(errors="replace"), hashlib.sha256)
        return f"~{digest.hex()[:LENGTH]}"

    def in_path(self, path: str) -> str:
        """A path with pseudonyms for the session ids and tickets in it."""
        shown = _ID_IN_PATH.sub(lambda found: found[1] + self.of(found[2]), path)
        return shown[:MAX_PATH_LENGTH]
