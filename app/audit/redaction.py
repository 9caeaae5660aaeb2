"""Redacts texts for the audit record."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Literal

TextPolicy = Literal["full", "hash", "none"]


@dataclass(frozen=True)
class TextRedaction:
    """Keeps a text as it is, as a keyed hash, or not at all.

    A hash tells whether a known text was said; without the key, guesses can't be tried.
    """

    keeping: TextPolicy
    key: bytes

    def kept(self, text: str) -> tuple[str | None, dict[str, Any]]:
        """The text if it is kept, else None; and the details to record in its place."""
        match self.keeping:
            case "full":
                return text, {}
            case "hash":
                digest = hmac.digest(self.key, text.encode(), hashlib.sha256).hex()
                return None, {"textHash": digest, "textLength": len(text)}
            case "none":
                return None, {}
