"""Markdown is said without its signs, however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sessions.speech.text.markdown import MAX_BLOCK, SpokenMarkdown

SAID = {
    "Hello **bold** and *slanted* ~~gone~~ `code`.": "Hello bold and slanted gone code.",
    "# Title\n\nText.\n\nTitle\n=====\nMore.": "Title\nText.\nTitle\nMore.",
    "- one\n* two\n+ [x] three\n  - four": "one\ntwo\nthree\nfour",
    "1. First item\n2) Second\n10. Tenth": "1. First item\n2) Second\n10. Tenth",
    "> quoted\n> more": "quoted\nmore",
    "See [the docs](https://x.io/a_b?c=1 'Title') and ![a cat](cat.png).": (
        "See the docs and a cat."
    ),
    "At <https://shop.example/a?b=c> or <me@x.io>.": "At shop.example or me@x.io.",
    "At https://x.io/a_b*c?d=1. Or (http://y.io/), help!": "At x.io. Or (y.io), help!",
    "見て：https://x.jp/あ。": "見て：x.jpあ。",
    "| Name | Age |\n|---|:--:|\n| **Ada** | 36 |\n| | 7 |\n\nAfter.": (
        "Name, Age\nAda, 36\n7\nAfter."
    ),
    "Before:\n```py\nprint('# no')\n\n- no\n```\nAfter.": "Before:\nAfter.",
    "~~~\nnever closed": "",
    "One.\n\n---\n\nTwo <b>fat</b>.\n\n<div>\nno\n</div>": "One.\nTwo fat.",
    "a\\*b AT&amp;T AT&T &c. <3": "a*b AT&T AT&T &c. <3",
    # What only looks like Markdown stays.
    "2 * 3 = 6, 5*3 and snake_case_name [1] a | b.": (
        "2 * 3 = 6, 5*3 and snake_case_name [1] a | b."
    ),
    "1985 was good. Am 3. Oktober.\n- 5 degrees": "1985 was good. Am 3. Oktober.\n5 degrees",
    "C# and #1.": "C# and #1.",
    "*never closed\n\n**nor this": "*never closed\n**nor this",
    "An item\n\n    its second part\n\nEnd.": "An item\nits second part\nEnd.",
}


def said(*parts: str) -> str:
    markdown = SpokenMarkdown()
    return ("".join(map(markdown.feed, parts)) + markdown.end()).rstrip("\n")


@pytest.mark.parametrize("written", SAID)
def test_signs_are_not_said_and_words_are(written: str) -> None:
    assert said(written) == SAID[written]


@given(st.lists(st.sampled_from([" ", "\n", "\n\n", *SAID])), st.integers(1, 9))
def test_how_a_text_is_divided_makes_no_difference(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    assert said(*parts) == said(text)


@given(st.lists(st.text("*_`[]()<>#|&!~\\-1.) a\n")))
def test_signs_without_sense_lose_no_words(parts: list[str]) -> None:
    words = said("Begin. ", *parts, "\n\n```\n```\n\nEnd.")
    assert words.startswith("Begin.")


@pytest.mark.parametrize(
    ("written", "certain"),
    [
        ("Plain words", "Plain words"),
        ("**Bold.** Then *slan", "Bold. Then "),
        ("Go [here](https://x", "Go "),
        ("One.\n-", "One."),
        ("One.\n2", "One."),
        ("One.\n- two", "One.\ntwo"),
        ("Wow!", "Wow"),
        ("Go to https://x.io/a.", "Go to"),
        ("Go to ht", "Go to"),
        ("Go home.", "Go home."),
        ("| a", ""),
    ],
)
def test_words_are_given_out_as_soon_as_they_are_certain(written: str, certain: str) -> None:
    assert SpokenMarkdown().feed(written) == certain


def test_what_is_read_again_for_each_part_is_bounded() -> None:
    markdown = SpokenMarkdown()
    given = "".join(markdown.feed("*a ") for _ in range(MAX_BLOCK))
    assert len(given) > MAX_BLOCK
    for fence in ["\n```\n", *["code\n"] * MAX_BLOCK]:
        assert "code" not in markdown.feed(fence)
    assert len(markdown._block) <= MAX_BLOCK
