"""What may be said."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kaltura.contract import SayTextRequest
from app.problems import InvalidRequest
from app.sessions.speech import new_turn_id, speakable


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


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31mb", "a\x7f", "a\x85b", "half \ud83d"])
def test_control_characters_and_half_characters_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="control characters"):
        speakable(text, 1000)


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
        assert said == text.strip()
        assert 0 < len(said) <= 50
        said.encode()
        assert any(unicodedata.category(c)[0] != "Z" for c in said)


def test_a_made_turn_id_is_one_that_we_accept_and_never_the_same() -> None:
    ids = {new_turn_id() for _ in range(100)}
    assert len(ids) == 100
    for turn_id in ids:
        SayTextRequest(text="x", turn_id=turn_id)
