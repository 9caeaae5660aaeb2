"""However a text is cut, it is the same text."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unicode_segmentation_rs import graphemes

from app.sessions.speech.text.segmentation import SentenceBuffer, split
from app.sessions.speech.text.sentences import sentences
from tests.support.texts import TEXTS

LIMITS = st.integers(1, 40)


def ends(parts: list[str]) -> set[int]:
    return set(accumulate(map(len, parts)))


@given(TEXTS, LIMITS)
def test_chunks_join_to_the_same_text_and_none_is_over_the_limit(text: str, limit: int) -> None:
    chunks = split(text, limit)
    assert "".join(chunks) == text
    assert all(len(chunk) <= limit for chunk in chunks)
    assert all(chunks) or text == ""


@given(TEXTS, LIMITS)
def test_no_chunk_ends_within_a_grapheme_that_would_have_fitted(text: str, limit: int) -> None:
    whole = graphemes(text, is_extended=True)
    if all(len(grapheme) <= limit for grapheme in whole):
        assert ends(split(text, limit)) <= ends(whole) | {0}


@given(TEXTS)
def test_sentences_join_to_the_same_text(text: str) -> None:
    assert "".join(sentences(text)) == text


@given(TEXTS, LIMITS, st.data())
def test_a_text_that_comes_in_pieces_comes_out_whole_and_in_order(
    text: str, limit: int, data: st.DataObject
) -> None:
    sentences = SentenceBuffer(limit)
    said, at = [], 0
    while at < len(text):
        until = data.draw(st.integers(at + 1, len(text)))
        said += sentences.feed(text[at:until])
        at = until
    said.append(sentences.rest())
    assert "".join(said) == text
    assert all(len(part) <= limit for part in said)


@pytest.mark.parametrize(
    ("text", "limit", "chunks"),
    [
        ("One. Two. Three.", 10, ["One. Two. ", "Three."]),
        ("你好。我很好。再见。", 7, ["你好。我很好。", "再见。"]),
        ("नमस्ते। आप कैसे हैं? ठीक।", 14, ["नमस्ते। ", "आप कैसे हैं? ", "ठीक।"]),
        ("So many words in one sentence", 12, ["So many ", "words in ", "one sentence"]),
        ("Hi. So many words here", 14, ["Hi. ", "So many words ", "here"]),
        ("Ask example.com/a-b/c-d?e now", 24, ["Ask ", "example.com/a-b/c-d?e ", "now"]),
        ("Kindergartenfest", 8, ["Kinderga", "rtenfest"]),
        ("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 8, ["👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"]),
    ],
)
def test_it_is_cut_at_sentence_ends_else_between_words_else_between_characters(
    text: str, limit: int, chunks: list[str]
) -> None:
    assert split(text, limit) == chunks


def test_a_sentence_comes_out_as_soon_as_the_next_one_begins() -> None:
    sentences = SentenceBuffer(100)
    assert sentences.feed("Let me see. ") == []
    assert sentences.feed("Y") == ["Let me see. "]
    assert sentences.feed("our parcel, Dr. ") == []
    assert sentences.feed("Smith, is here.") == []
    assert sentences.rest() == "Your parcel, Dr. Smith, is here."


def test_sentences_that_all_end_in_numbers_come_out_before_the_text_is_complete() -> None:
    written = SentenceBuffer(1000)
    counted = [f"Behind door number {n} there is a prize of {n}. " for n in range(50)]
    said = [part for sentence in counted for part in written.feed(sentence)]
    assert len(said) > 5
    assert all(part.endswith(". ") for part in said)
    assert all(len(part) < 400 for part in said)


def test_a_date_is_not_cut_in_a_sentence_of_a_common_length() -> None:
    written = SentenceBuffer(1000)
    begin = "Am Abend, als alle anderen längst zu Hause waren und wenige Lichter brannten, "
    sentence = f"{begin}erzählte er, was er am 3. Oktober in der Stadt gesehen hatte. "
    assert [part for sign in f"{sentence}Sie" for part in written.feed(sign)] == [sentence]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("Let me look.", True),
        ("Let me look. ", True),
        ("“Let me look!”", True),
        ("我看看。", True),
        ("It is 3", False),
        ("Well,", False),
        (" ", False),
        ("...", False),
        ("See example.com/a.html?", False),
        ("See example.com/a. ", True),
        ("See x=1.", False),
        ("See No.", False),
        ("Am 3. ", False),
        ("1. ", False),
        ("Meet Dr. ", False),
        ("Meet J. ", False),
    ],
)
def test_whether_a_sentence_is_complete_can_be_told_before_the_next(
    text: str,
    complete: bool,  # noqa: FBT001
) -> None:
    sentences = SentenceBuffer(100)
    sentences.feed(text)
    assert sentences.seems_complete is complete
