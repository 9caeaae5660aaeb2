"""What the record keeps of the words that are said."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Literal

TextPolicy = Literal["full", "hash", "none"]


@dataclass(frozen=True)
class TextRedaction:
    """Keeps words as they are, as a hash under a key, or not at all.

    A hash tells whether a text that is known was said; nobody without the key can try guesses.
    """

    keeping: TextPolicy
    key: bytes

    def kept(self, text: str) -> tuple[str | None, dict[str, Any]]:
        """The words, if they are kept, and what is told of them if they are not."""
        match self.keeping:
            case "full":
                return text, {}
            case "hash":
                digest = hmac.digest(self.key, text.encode(), hashlib.sha256).hex()
                return None, {"textHash": digest, "textLength": len(text)}
            case "none":
                return None, {}
