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
    text = printable(text.strip())
    if is_silent(text):
        raise _invalid(NothingToSay, "there is nothing to say")
    if len(text) > max_length:
        raise _invalid(
            InvalidRequest, f"{len(text)} characters; at most {max_length} can be said at once"
        )
    return text


def printable(text: str) -> str:
    """The text as it is; raises `InvalidRequest` when something in it is never said."""
    if _categories(text) & _REFUSED:
        raise _invalid(InvalidRequest, "control characters can't be said")
    return text


def is_silent(text: str) -> bool:
    """Whether there is nothing in it that could be said."""
    return _categories(text) <= _SILENT


def too_long(max_length: int) -> InvalidRequest:
    """The problem with a text that has been longer than that already."""
    return _invalid(InvalidRequest, f"at most {max_length} characters can be said at once")


def new_turn_id() -> str:
    """An id in the form that Kaltura suggests (reference 1.4)."""
    return f"turn-{time.time_ns() // 1_000_000}-{secrets.token_hex(4)}"


def _categories(text: str) -> set[str]:
    return {unicodedata.category(c) for c in text if c not in _ALLOWED_CONTROLS}


def _invalid(kind: type[InvalidRequest], message: str) -> InvalidRequest:
    return kind(f"text: {message}.", errors=[{"field": "text", "message": message}])
