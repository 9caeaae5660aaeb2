"""Checks and cleans texts that are to be said."""

import secrets
import time
from typing import Annotated, Final

import regex
from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from app.problems import InvalidRequest, NothingToSay


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    return value


JsonText = Annotated[str, PlainValidator(_string, json_schema_input_type=str)]
"""Any string that JSON can carry, including unpaired surrogates, which `speakable` refuses."""

_SURROGATE: Final = regex.compile(r"[\ud800-\udfff]")
"""A surrogate: UTF-16 has two for each character outside the BMP, and JSON can name one alone."""

_HIGH_SURROGATE_AT_END: Final = regex.compile(r"[\ud800-\udbff]$")
_TO_SPACE: Final = regex.compile(
    r"[[\p{Cc}--[\t\n\r]]\p{Zl}\p{Zp}\p{Co}\p{Noncharacter_Code_Point}]", regex.V1
)
"""Control characters, line separators, private use (bullets of slides), and noncharacters."""

_TO_REMOVE: Final = regex.compile(
    r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200c\u200d]]", regex.V1
)
"""Bidi controls, byte order marks, soft hyphens; not the joiners that letters and emoji need."""

_VISIBLE: Final = regex.compile(r"[^\s\p{Cf}]")
_SPOKEN: Final = regex.compile(r"[\p{Alphabetic}\p{N}]")


def speakable(text: str, max_length: int) -> str:
    """Clean a text and strip white space around it; raises `InvalidRequest`.

    Length is counted in characters (Unicode code points) after that.
    """
    sanitizer = TextSanitizer()
    text = sanitizer.sanitize(text).strip()
    sanitizer.end()
    if is_blank(text):
        raise _invalid(NothingToSay, "there is nothing to say")
    if len(text) > max_length:
        raise _invalid(
            InvalidRequest, f"{len(text)} characters; at most {max_length} can be said at once"
        )
    return text


class TextSanitizer:
    """Sanitizes a text that may arrive in parts.

    Surrogate pairs are joined, control characters become spaces, and invisible marks are removed.
    """

    def __init__(self) -> None:
        self._half = ""
        self._position = 1

    def sanitize(self, text: str) -> str:
        """Sanitize one part; raises `InvalidRequest` for half a character without the other."""
        text = self._half + text
        self._half = ""
        if text.isascii() and text.isprintable():
            # The expressions below match none of it, and each search hands the GIL over.
            self._position += len(text)
            return text
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
            if _HIGH_SURROGATE_AT_END.search(text):
                text, self._half = text[:-1], text[-1]
            if (half := _SURROGATE.search(text)) is not None:
                raise _unpaired_surrogate(half.group(), self._position + half.start())
        self._position += len(text)
        return str(_TO_REMOVE.sub("", _TO_SPACE.sub(" ", text)))

    def end(self) -> None:
        """End the text; raises `InvalidRequest` when it ends in half a character."""
        if self._half:
            raise _unpaired_surrogate(self._half, self._position)


def is_blank(text: str) -> bool:
    """Whether a cleaned text has no visible character."""
    return is_silent(text) and _VISIBLE.search(text) is None


def is_silent(text: str) -> bool:
    """Whether a text has no letter and no digit, so that a voice makes no sound of it."""
    # Most texts begin with one, and a search hands the GIL over: with `sanitize`, 3% of a speak.
    return not text[:1].isalnum() and _SPOKEN.search(text) is None


def too_long(max_length: int) -> InvalidRequest:
    """The problem for a text that is longer than allowed, while it is being written."""
    return _invalid(
        InvalidRequest,
        f"at most {max_length} characters can be said at once; it is said up to the last sentence "
        "within them, or the last word of the first",
    )


def new_turn_id() -> str:
    """Make a turn id in the form that Kaltura suggests (reference 1.4)."""
    return f"turn-{time.time_ns() // 1_000_000}-{secrets.token_hex(4)}"


def _unpaired_surrogate(half: str, position: int) -> InvalidRequest:
    return _invalid(
        InvalidRequest,
        f"character {position} is half a character (U+{ord(half):04X}) whose other half is missing",
    )


def _invalid(kind: type[InvalidRequest], message: str) -> InvalidRequest:
    return kind(f"text: {message}.", errors=[{"field": "text", "message": message}])
