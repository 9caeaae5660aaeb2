"""What may be said."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kaltura.contract import SayTextRequest
from app.problems import InvalidRequest
from app.sessions.speech.text.validation import TextSanitizer, is_silent, new_turn_id, speakable


def cleaned(*texts: str) -> str:
    sanitizer = TextSanitizer()
    said = "".join(map(sanitizer.sanitize, texts))
    sanitizer.end()
    return said


@pytest.mark.parametrize(
    "text",
    ["Hello.", "שלום", "你好", "नमस्ते", "مرحبا\nمرحبا", "\N{GRINNING FACE}", "7", "?", "a\tb"],
)
def test_any_script_can_be_said(text: str) -> None:
    assert speakable(text, 1000) == text


@pytest.mark.parametrize(
    "text", ["", " ", "\n\t ", "\u00a0\u2003", "\u200b\u200d\ufeff", "\u2028", " \u00ad ", "\ue000"]
)
def test_nothing_is_not_said(text: str) -> None:
    with pytest.raises(InvalidRequest, match="nothing to say"):
        speakable(text, 1000)


@pytest.mark.parametrize(
    "space", ["\x00", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\uf0b7", "\uffff"]
)
def test_what_controls_a_line_or_has_no_meaning_becomes_a_space(space: str) -> None:
    assert speakable(f"{space}a{space}b{space}", 1000) == "a b"


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u200f", "\u202e", "\u2066", "\u00ad"])
def test_marks_that_nobody_sees_or_hears_are_left_out(mark: str) -> None:
    assert speakable(f"{mark}a{mark}b", 1000) == "ab"


@pytest.mark.parametrize("text", ["نمی\u200cخواهم", "क्\u200dष", "👩\u200d👧", "❤\ufe0f"])
def test_the_joiners_of_letters_and_emoji_stay(text: str) -> None:
    assert speakable(text, 1000) == text


def test_halves_of_a_character_are_joined_wherever_a_text_was_cut() -> None:
    halves = "a\ud83d\ude00b\ud83d\ude00"
    for at in range(len(halves) + 1):
        said = cleaned(halves[:at], "", halves[at:])
        assert said == "a\N{GRINNING FACE}b\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "texts",
    [["abc\ud83d"], ["ab", "c\ud83d", "d"], ["abc\ude00d"], ["a\ud83d\ude00c", "\ud83d\ud83d"]],
)
def test_half_a_character_is_refused_and_it_is_told_where_it_stands(texts: list[str]) -> None:
    with pytest.raises(InvalidRequest, match=r"character 4 is half a .*U\+D[8E]") as told:
        cleaned(*texts)
    assert told.value.extensions["errors"][0]["field"] == "text"


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("👍", True),
        ("...", True),
        ("—", True),
        ("?!", True),
        ("5", False),
        ("Ⓐ", False),
        ("好", False),
    ],
)
def test_without_a_letter_or_a_digit_there_is_nothing_to_hear(text: str, silent: bool) -> None:  # noqa: FBT001
    assert is_silent(speakable(text, 1000)) is silent


def test_length_is_counted_in_characters_after_white_space_is_gone() -> None:
    assert speakable("  " + "é" * 1000 + "\n", 1000) == "é" * 1000
    assert speakable("\N{GRINNING FACE}" * 1000, 1000)
    with pytest.raises(InvalidRequest, match="1001 characters; at most 1000"):
        speakable("a" * 1001, 1000)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_text_is_either_said_or_refused_for_a_reason(text: str) -> None:
    try:
        said = speakable(text, 50)
    except InvalidRequest as refused:
        assert refused.extensions["errors"][0]["field"] == "text"
    else:
        assert said == speakable(said, 50)
        assert [c for c in said if c.isalnum()] == [c for c in text if c.isalnum()]
        assert 0 < len(said) <= 50
        said.encode()
        assert any(unicodedata.category(c)[0] != "Z" for c in said)


def test_a_made_turn_id_is_one_that_we_accept_and_never_the_same() -> None:
    ids = {new_turn_id() for _ in range(100)}
    assert len(ids) == 100
    for turn_id in ids:
        SayTextRequest(text="x", turn_id=turn_id)
