"""Finds the ends of sentences: Unicode's rules (UAX #29), adapted to where a voice can pause.

In addition to those rules, no sentence ends within a word such as an address, after an abbreviation
of CLDR, or after a number that may be an ordinal; and an opening bracket or quote belongs to the
text that follows. The language of a text is not known, so the abbreviations of all languages apply
to every text. An abbreviation too many loses a pause; one that is missing makes a pause within a
sentence.
"""

from typing import Final
from unicodedata import east_asian_width

import regex

from app.sessions.speech.text.abbreviations import ABBREVIATIONS

_STOP: Final = regex.compile(r"[\p{SB=STerm}\p{SB=ATerm}\p{SB=Sep}\r\n]")
_FOLLOWING: Final = regex.compile(r"[\p{Alphabetic}\p{N}\p{SB=SContinue}]")
"""The next character that tells whether a sentence ended: a letter, a digit or a continuation."""

_WORD: Final = regex.compile(r"[\p{Alphabetic}\p{N}]")
_LINE_END: Final = regex.compile(r"(?r)[\p{SB=Sep}\r\n]")
_PARAGRAPH: Final = regex.compile(r"\n\s*\n|\u2029")
_SPACE: Final = regex.compile(r"(?r)\s")
_STOPS: Final = regex.compile(
    r"[\p{SB=STerm}\p{SB=ATerm}\p{SB=Extend}\p{SB=Format}]+(?P<closing>\p{SB=Close}*)"
)
_OPENING: Final = regex.compile(r"(?r)[\p{Ps}\p{Pi}]*$")
_OPENING_APART: Final = regex.compile(r"(?r)(?<=\s)[\p{Ps}\p{Pi}]+\s+$")
"""An opening quote with a space after it, as in French."""

_TOKEN: Final = regex.compile(r"(?r)[^\s\p{Ps}\p{Pi}—–]*$")
_LONGEST_TOKEN: Final = 40
_ADDRESS_OR_NUMBER: Final = regex.compile(r"[./:@=&#_~\\]|\p{N}$")
"""Signs of an address or a number, which may go on without a space."""

_INITIALS: Final = regex.compile(r"\p{L}\p{M}*(\.\p{L}\p{M}*)*")
_ORDINAL: Final = regex.compile(r"\p{N}{1,3}(\.\p{N}{1,3})*|[IVXLCDM]+")
_NEXT_BEGINS: Final = regex.compile(r"\.\s+[\p{Lu}\p{Lo}]")
_SHORT_TITLE: Final = regex.compile(r"\p{Lu}\p{L}?")
_CONTINUE: Final = regex.compile(r"\p{SB=SContinue}")
_FULL_STOPS: Final = frozenset(".․﹒．")


class SentenceDetector:
    """Finds the sentences of a text that arrives in parts; where it is divided makes no difference.

    Each character is examined a fixed number of times, whatever the text.
    """

    def __init__(self) -> None:
        self._text = ""
        self._seen = 0
        self._stop: int | None = None
        """Index of a terminator that may end a sentence, depending on what follows it."""
        self._has_word = False
        self.doubtful_end = 0
        """Index in `rest` after its last number that is an ordinal or ends a sentence, else 0."""

    @property
    def rest(self) -> str:
        """The text of the sentence that has not ended yet."""
        return self._text

    def feed(self, text: str) -> list[str]:
        """Add a part of the text; return the sentences that have ended."""
        self._text += text
        ended, start = [], 0
        while (end := self._next_end()) is not None:
            ended.append(self._text[start:end])
            start = end
        self._text = self._text[start:]
        self._seen -= start
        if self._stop is not None:
            self._stop -= start
        self.doubtful_end = max(0, self.doubtful_end - start)
        return ended

    @property
    def seems_ended(self) -> bool:
        """Whether `rest` would be a whole sentence if no more of it followed."""
        stop = self._stop
        if stop is None or not self._has_word:
            return False
        token = _token(self._text, stop)
        is_apart = _SPACE.search(self._text, stop) is not None or not self._text[stop].isascii()
        if not is_apart and _ADDRESS_OR_NUMBER.search(token):
            return False
        is_short = self._text[stop] in _FULL_STOPS and _SHORT_TITLE.fullmatch(token)
        return not is_short and not _is_abbreviation_or_ordinal(self._text, stop)

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
                self._has_word, self.doubtful_end = False, 0
                return _end(self._text, stop, following.start())
            if _is_doubtful_end(self._text, stop):
                self.doubtful_end = following.start()


def sentences(text: str) -> list[str]:
    """Split a text into sentences that join to it; symbols alone do not count as a sentence."""
    ends = SentenceDetector()
    ended = ends.feed(text)
    return [*ended, ends.rest] if ends.rest else ended


def _is_end(text: str, stop: int, following: int) -> bool:
    """Whether a sentence ends between a terminator at `stop` and the text at `following`."""
    gap, after = text[stop:following], text[following]
    is_full_stop = gap[0] in _FULL_STOPS
    if _PARAGRAPH.search(gap) is not None:
        return True
    if is_full_stop and _is_abbreviation_or_ordinal(text, stop):
        return False
    if _LINE_END.search(gap) is not None:
        return True
    if _CONTINUE.match(after) or (after.islower() and (is_full_stop or _is_quoted(gap))):
        return False
    if is_full_stop and after.isdecimal():
        return False
    is_within_word = _SPACE.search(gap) is None and gap[0].isascii()
    # An address may contain such a terminator, but so may text in a script without spaces.
    is_unspaced = gap[0] != "." and _is_wide(text[stop - 1]) and _is_wide(after)
    return not is_within_word or is_unspaced


def _end(text: str, stop: int, following: int) -> int:
    """The index at which the next sentence begins, including its opening bracket or quote."""
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


def _is_abbreviation_or_ordinal(text: str, stop: int) -> bool:
    """Whether a full stop belongs to an abbreviation, or to a number that may be an ordinal."""
    if text[stop] not in _FULL_STOPS or text[stop + 1 : stop + 2] == text[stop]:
        return False
    token = _token(text, stop)
    if _INITIALS.fullmatch(token) or _ORDINAL.fullmatch(token):
        return True
    return not ABBREVIATIONS.isdisjoint({f"{token}.", f"{token[:1].lower()}{token[1:]}."})


def _is_doubtful_end(text: str, stop: int) -> bool:
    """Whether a number ends at `stop` that ends a sentence, unless it is an ordinal."""
    if _NEXT_BEGINS.match(text, stop) is None:
        return False
    return _ORDINAL.fullmatch(_token(text, stop)) is not None


def _token(text: str, stop: int) -> str:
    """The word before a full stop; empty when it is too long to be a word."""
    found = _TOKEN.search(text, max(0, stop - _LONGEST_TOKEN), stop)
    token: str = "" if found is None else found.group()
    return token.lstrip("\"'’»*_`") if len(token) < _LONGEST_TOKEN else ""


def _is_quoted(gap: str) -> bool:
    found = _STOPS.match(gap)
    return found is not None and found["closing"] != ""


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in {"W", "F"}
