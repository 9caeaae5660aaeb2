"""What may be said."""

import secrets
import time
import unicodedata
from typing import Final

from app.problems import InvalidRequest, NothingToSay

_ALLOWED_CONTROLS: Final = frozenset("\t\n\r")
_REFUSED: Final = frozenset({"Cc", "Cs"})
"""Control characters, which forge log lines, and half characters, which UTF-8 can't carry."""
_SILENT: Final = _REFUSED | {"Cf", "Co", "Zs", "Zl", "Zp"}


def speakable(text: str, max_length: int) -> str:
    """The text without the white space around it; raises `InvalidRequest` for what can't be said.

    Length is counted in characters (Unicode code points), after the white space is gone.
    """
    text = text.strip()
    categories = {unicodedata.category(c) for c in text if c not in _ALLOWED_CONTROLS}
    if categories & _REFUSED:
        raise _invalid(InvalidRequest, "control characters can't be said")
    if categories <= _SILENT:
        raise _invalid(NothingToSay, "there is nothing to say")
    if len(text) > max_length:
        raise _invalid(
            InvalidRequest, f"{len(text)} characters; at most {max_length} can be said at once"
        )
    return text


def new_turn_id() -> str:
    """An id in the form that Kaltura suggests (reference 1.4)."""
    return f"turn-{time.time_ns() // 1_000_000}-{secrets.token_hex(4)}"


def _invalid(kind: type[InvalidRequest], message: str) -> InvalidRequest:
    return kind(f"text: {message}.", errors=[{"field": "text", "message": message}])
