"""Texts as Hypothesis makes them: of every script, and full of what is hard to cut."""

from hypothesis import strategies as st

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SPEECH = st.lists(
    st.sampled_from(
        (
            *("Hello", " ", ". ", "! ", "Dr. ", "3.14", "\n", "\r\n", "a", "?", "…", "“", "” "),
            *("你好", "。", "नमस्ते", "। ", "สวัสดี", "سلام", "؟ "),
            *("👩‍👩‍👧‍👦", "e\u0301", "\u0600", "\u200d", "\u0b4d"),
        )
    ),
    max_size=60,
).map("".join)
TEXTS = SPEECH | ANYTHING
