"""Where sentences end: Unicode's rules (UAX #29), tailored to what a voice can pause at.

Unlike there, no sentence ends within a word such as an address, behind an abbreviation of CLDR, or
behind a number that may be an ordinal; and an opening bracket or quote belongs to what follows.
Nobody names the language of a text, so the abbreviations of all languages count in each. One too
many costs a pause that could have been; one too few is a pause where nobody makes one.
"""

from typing import Final
from unicodedata import east_asian_width

import regex

from app.sessions.speech.text.abbreviations import ABBREVIATIONS

_STOP: Final = regex.compile(r"[\p{SB=STerm}\p{SB=ATerm}\p{SB=Sep}\r\n]")
_FOLLOWING: Final = regex.compile(r"[\p{Alphabetic}\p{N}\p{SB=SContinue}]")
"""What tells whether a sentence has ended: what is written between is said with neither."""

_WORD: Final = regex.compile(r"[\p{Alphabetic}\p{N}]")
_LINE_END: Final = regex.compile(r"(?r)[\p{SB=Sep}\r\n]")
_PARAGRAPH: Final = regex.compile(r"\n\s*\n|\u2029")
_SPACE: Final = regex.compile(r"(?r)\s")
_STOPS: Final = regex.compile(
    r"[\p{SB=STerm}\p{SB=ATerm}\p{SB=Extend}\p{SB=Format}]+(?P<closing>\p{SB=Close}*)"
)
_OPENING: Final = regex.compile(r"(?r)[\p{Ps}\p{Pi}]*$")
_OPENING_APART: Final = regex.compile(r"(?r)(?<=\s)[\p{Ps}\p{Pi}]+\s+$")
"""An opening quote with a space behind it, as in French."""

_TOKEN: Final = regex.compile(r"(?r)[^\s\p{Ps}\p{Pi}—–]*$")
_LONGEST_TOKEN: Final = 40
_GROWING: Final = regex.compile(r"[./:@=&#_~\\]|\p{N}$")
"""In an address or a number: more of it may follow without a space."""

_INITIALS: Final = regex.compile(r"\p{L}\p{M}*(\.\p{L}\p{M}*)*")
_ORDINAL: Final = regex.compile(r"\p{N}{1,3}(\.\p{N}{1,3})*|[IVXLCDM]+")
_SHORT_TITLE: Final = regex.compile(r"\p{Lu}\p{L}?")
_CONTINUE: Final = regex.compile(r"\p{SB=SContinue}")
_FULL_STOPS: Final = frozenset(".․﹒．")


class SentenceEnds:
    """Finds the sentences of a text that grows; how it is cut on its way changes nothing.

    Each character is looked at a fixed number of times, whatever the text is.
    """

    def __init__(self) -> None:
        self._text = ""
        self._seen = 0
        self._stop: int | None = None
        """Where a sentence perhaps ended: that depends on what follows."""
        self._has_word = False

    @property
    def rest(self) -> str:
        """The sentence that has not ended yet."""
        return self._text

    def feed(self, text: str) -> list[str]:
        """The sentences that have ended with this much more of the text."""
        self._text += text
        ended, start = [], 0
        while (end := self._next_end()) is not None:
            ended.append(self._text[start:end])
            start = end
        self._text = self._text[start:]
        self._seen -= start
        if self._stop is not None:
            self._stop -= start
        return ended

    @property
    def seems_ended(self) -> bool:
        """Whether the rest would be a whole sentence if nothing of it followed."""
        stop = self._stop
        if stop is None or not self._has_word:
            return False
        token = _token(self._text, stop)
        is_apart = _SPACE.search(self._text, stop) is not None or not self._text[stop].isascii()
        if not is_apart and _GROWING.search(token):
            return False
        is_short = self._text[stop] in _FULL_STOPS and _SHORT_TITLE.fullmatch(token)
        return not is_short and not _goes_on(self._text, stop)

    def _next_end(self) -> int | None:
        while True:
            if self._stop is None:
                found = _STOP.search(self._text, self._seen)
                until = len(self._text) if found is None else found.start()
                if not self._has_word:
                    self._has_word = _WORD.search(self._text, self._seen, until) is not None
                self._seen = until
                if found is None:
                    return None
                self._stop = until
            following = _FOLLOWING.search(self._text, self._seen)
            if following is None:
                self._seen = len(self._text)
                return None
            stop, self._stop, self._seen = self._stop, None, following.start()
            if self._has_word and _is_end(self._text, stop, following.start()):
                self._has_word = False
                return _end(self._text, stop, following.start())


def sentences(text: str) -> list[str]:
    """The sentences of a text, which join to it; what has no letter or digit is none by itself."""
    ends = SentenceEnds()
    ended = ends.feed(text)
    return [*ended, ends.rest] if ends.rest else ended


def _is_end(text: str, stop: int, following: int) -> bool:
    """Whether a sentence ends between a full stop or its like and what follows."""
    gap, after = text[stop:following], text[following]
    is_full_stop = gap[0] in _FULL_STOPS
    if _PARAGRAPH.search(gap) is not None:
        return True
    if is_full_stop and _goes_on(text, stop):
        return False
    if _LINE_END.search(gap) is not None:
        return True
    if _CONTINUE.match(after) or (after.islower() and (is_full_stop or _is_quoted(gap))):
        return False
    if is_full_stop and after.isdecimal():
        return False
    is_within_word = _SPACE.search(gap) is None and gap[0].isascii()
    # An address may have such within, but so has a sentence of a script without spaces.
    is_unspaced = gap[0] != "." and _is_wide(text[stop - 1]) and _is_wide(after)
    return not is_within_word or is_unspaced


def _end(text: str, stop: int, following: int) -> int:
    """Where the next sentence begins, which is with its opening bracket or quote."""
    gap = text[stop:following]
    line_end = _LINE_END.search(gap)
    if line_end is not None:
        return stop + line_end.end()
    space = _SPACE.search(gap)
    if space is None:
        opening = _OPENING.search(gap)
        return following if opening is None else stop + opening.start()
    apart = _OPENING_APART.search(gap, 0, space.end())
    return stop + (space.end() if apart is None else apart.start())


def _goes_on(text: str, stop: int) -> bool:
    """Whether a full stop is an abbreviation's, or that of a number that may be an ordinal."""
    if text[stop] not in _FULL_STOPS or text[stop + 1 : stop + 2] == text[stop]:
        return False
    token = _token(text, stop)
    if _INITIALS.fullmatch(token) or _ORDINAL.fullmatch(token):
        return True
    return not ABBREVIATIONS.isdisjoint({f"{token}.", f"{token[:1].lower()}{token[1:]}."})


def _token(text: str, stop: int) -> str:
    """What stands before a full stop without a space; empty if it is too long to be a word."""
    found = _TOKEN.search(text, max(0, stop - _LONGEST_TOKEN), stop)
    token: str = "" if found is None else found.group()
    return token.lstrip("\"'’»*_`") if len(token) < _LONGEST_TOKEN else ""


def _is_quoted(gap: str) -> bool:
    found = _STOPS.match(gap)
    return found is not None and found["closing"] != ""


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in {"W", "F"}
