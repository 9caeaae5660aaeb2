"""A sentence ends where a voice may pause, however the text comes and whatever it is."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.speech.text import segmentation
from app.sessions.speech.text.segmentation import SentenceBuffer, split
from app.sessions.speech.text.sentences import SentenceDetector, sentences
from tests.support.texts import TEXTS

LONG, TIMES = 20_000, 8
CRAFTED = {
    "initials": "J. ",
    "abbreviations": "Dr. ",
    "numbers": "1. ",
    "one word": "a",
    "full stops": ".",
    "behind one full stop": " ",
    "tiny sentences": "A? ",
    "lines": "\n",
    "lines of commas": ",\n",
    "brackets": "([",
    "quotes": '"',
    "quotes within a word": "a。「",
    "combining marks": "a\u0301\u0302\u0303",
    "joined emoji": "👩\u200d",
    "Chinese": "你好",
    "Chinese sentences": "你好。",
    "Thai": "สวัสดี",
    "Arabic": "سلام؟ ",
}


@pytest.mark.parametrize(
    "whole",
    [
        # Within a word
        "See example.com/a.html?x=1. |Then go.",
        "Ask https://example.com/a.b?c=1&d=2! |Now.",
        "Write to a.b@c.example. |It costs 3.14 or 1,5.",
        "你好!|我很好。|再见。",
        # Behind an abbreviation
        "Meet Dr. Smith. |Meet **Prof.** Xu (Mr. X).",
        "J. R. R. Tolkien and the U.S. Army, e.g. Bob.",
        "Das ist z. B. Frau Dr. Wu, d.h. Ihre Ärztin. |Gut.",
        "Вот ул. Ленина. |Да.",
        "Hello Mr.\nSmith.",
        # Behind a number
        "Am 3. Oktober war es. |Gut.",
        "Take No. 5 or p. 7 now. |Fine.",
        "Steps:\n|1. First.\n|2. Second, on page 10. Maybe.\n|3. Third.",
        "It was 1990. |It cost $5. |Ludwig XIV. war König.",
        # Brackets and quotes
        "他说。|「好。」|她说。|（是）。|好。",
        "Yes. |(No.) |“Well.” |Then.",
        "Il dit oui. |« Bonjour. » |Puis.",
        "„Hallo.“ |Dann.",
        # What goes on
        "“Really?” she asked. |“Yes.” – No – yes! — yes.",
        "Wait ... and see. |Wait... |Yes?! |Oh",
        "Great! 👍 |Next.",
        "नमस्ते। |आप कैसे हैं? |ठीक।",
        "One paragraph ends with etc.\n\n|Another.\n|- An item\n|- and one more",
    ],
)
def test_a_sentence_ends_where_a_voice_may_pause(whole: str) -> None:
    parts = whole.split("|")
    text = "".join(parts)
    assert sentences(text) == parts
    for at in range(len(text)):
        ends = SentenceDetector()
        assert [*ends.feed(text[:at]), *ends.feed(text[at:]), ends.rest] == parts


@given(TEXTS, st.data())
def test_how_a_text_is_cut_on_its_way_changes_no_sentence(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    ends = SentenceDetector()
    ended = [
        sentence
        for start, end in pairwise([0, *cuts, len(text)])
        for sentence in ends.feed(text[start:end])
    ]
    assert [*ended, *filter(None, [ends.rest])] == sentences(text)


@pytest.mark.parametrize("unit", CRAFTED.values(), ids=CRAFTED)
@pytest.mark.parametrize("use", ["whole", "written"])
def test_what_a_text_costs_grows_with_its_length_and_no_faster(unit: str, use: str) -> None:
    def cut(text: str) -> None:
        split(text, 1000)

    def write(text: str) -> None:
        written = SentenceBuffer(len(text))
        for at in range(0, len(text), 8):
            written.feed(text[at : at + 8])
            written.feed("")

    run = cut if use == "whole" else write
    text = ("x." + unit * LONG)[:LONG]
    short = min(_seconds(run, text[: LONG // TIMES]) for _ in range(4))
    # Whatever else the machine does can only slow a run down: one that is quick enough will do.
    assert any(_seconds(run, text) < 3 * TIMES * short for _ in range(4))


def test_where_to_cut_is_looked_for_in_a_part_whose_size_is_fixed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str] = []

    def counted(text: str) -> list[str]:
        looked_at.append(text)
        return sentences(text)

    monkeypatch.setattr(segmentation, "sentences", counted)
    text = "A sentence. " * 10_000
    assert 0 < 50_000 - segmentation.chunk_end(text, 50_000) < len("A sentence. ")
    assert sum(map(len, looked_at)) < 2 * segmentation.WINDOW


def _seconds(run: Callable[[str], None], text: str) -> float:
    """Processor time."""
    started = time.thread_time()
    run(text)
    return time.thread_time() - started
