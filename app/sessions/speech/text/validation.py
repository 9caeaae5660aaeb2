"""What may be said."""

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
"""Any string that JSON can carry, halves of characters included: `speakable` judges them."""

_HALF: Final = regex.compile(r"[\ud800-\udfff]")
"""Half a character: UTF-16 has two for each outside the BMP, and JSON can name one alone."""

_FIRST_HALF_AT_END: Final = regex.compile(r"[\ud800-\udbff]$")
_UNSAYABLE: Final = regex.compile(
    r"[[\p{Cc}--[\t\n\r]]\p{Zl}\p{Zp}\p{Co}\p{Noncharacter_Code_Point}]", regex.V1
)
"""Control characters, line separators, private use (bullets of slides), and noncharacters."""

_INVISIBLE: Final = regex.compile(
    r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u200c\u200d]]", regex.V1
)
"""Bidi controls, byte order marks, soft hyphens; not the joiners that letters and emoji need."""

_VISIBLE: Final = regex.compile(r"[^\s\p{Cf}]")
_SAYABLE: Final = regex.compile(r"[\p{Alphabetic}\p{N}]")


def speakable(text: str, max_length: int) -> str:
    """The text as it can be said, without the white space around it; raises `InvalidRequest`.

    Length is counted in characters (Unicode code points), after the white space is gone.
    """
    cleaner = Cleaner()
    text = cleaner.clean(text).strip()
    cleaner.end()
    if is_blank(text):
        raise _invalid(NothingToSay, "there is nothing to say")
    if len(text) > max_length:
        raise _invalid(
            InvalidRequest, f"{len(text)} characters; at most {max_length} can be said at once"
        )
    return text


class Cleaner:
    """Makes a text that may come in pieces fit to be said.

    Halves of characters are joined, control characters become spaces, and marks that are neither
    seen nor heard are left out.
    """

    def __init__(self) -> None:
        self._half = ""
        self._position = 1

    def clean(self, text: str) -> str:
        """One piece; raises `InvalidRequest` for half a character whose other half is missing."""
        text = self._half + text
        self._half = ""
        if _HALF.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
            if _FIRST_HALF_AT_END.search(text):
                text, self._half = text[:-1], text[-1]
            if (half := _HALF.search(text)) is not None:
                raise _half_alone(half.group(), self._position + half.start())
        self._position += len(text)
        if text.isascii() and text.isprintable():
            return text  # nothing below matches, and looking for it takes 20 us
        return str(_INVISIBLE.sub("", _UNSAYABLE.sub(" ", text)))

    def end(self) -> None:
        """Nothing more comes; raises `InvalidRequest` where the text ends in half a character."""
        if self._half:
            raise _half_alone(self._half, self._position)


def is_blank(text: str) -> bool:
    """Whether there is nothing in a clean text that could be seen."""
    return _VISIBLE.search(text) is None


def is_silent(text: str) -> bool:
    """Whether a voice makes no sound of it: no letter and no digit is in it."""
    return _SAYABLE.search(text) is None


def too_long(max_length: int) -> InvalidRequest:
    """The problem with a text that has been longer than that already."""
    return _invalid(
        InvalidRequest,
        f"at most {max_length} characters can be said at once; it is said up to the last sentence "
        "within them, or the last word of the first",
    )


def new_turn_id() -> str:
    """An id in the form that Kaltura suggests (reference 1.4)."""
    return f"turn-{time.time_ns() // 1_000_000}-{secrets.token_hex(4)}"


def _half_alone(half: str, position: int) -> InvalidRequest:
    return _invalid(
        InvalidRequest,
        f"character {position} is half a character (U+{ord(half):04X}) whose other half is missing",
    )


def _invalid(kind: type[InvalidRequest], message: str) -> InvalidRequest:
    return kind(f"text: {message}.", errors=[{"field": "text", "message": message}])
