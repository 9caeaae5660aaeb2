"""What a session's feed remembers of its utterances is bounded."""

import pytest

from app.sessions.speech.feed import MAX_REMEMBERED, MAX_REMEMBERED_CHARACTERS, UtteranceFeed
from app.sessions.speech.utterance_registry import UtteranceRegistry
from app.sessions.speech.utterances import UtteranceState


@pytest.fixture
def feed() -> UtteranceFeed:
    return UtteranceFeed()


@pytest.fixture
def utterances(feed: UtteranceFeed) -> UtteranceRegistry:
    return UtteranceRegistry(feed, clock=lambda: 0.0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Hi.", MAX_REMEMBERED), ("a" * (MAX_REMEMBERED_CHARACTERS // 3), 3)],
    ids=["by number", "by length"],
)
async def test_the_oldest_that_are_over_are_forgotten_and_no_others(
    feed: UtteranceFeed, utterances: UtteranceRegistry, text: str, kept: int
) -> None:
    waiting = utterances.new("waits", text)
    for n in range(kept + 2):
        utterances.mark_done(utterances.new(f"turn-{n}", text))
    assert [receipt.turn_id for receipt in feed.receipts] == [
        "waits",
        *(f"turn-{n}" for n in range(3, kept + 2)),
    ]
    assert waiting.receipt.state is UtteranceState.QUEUED


async def test_none_is_forgotten_while_there_is_room(
    feed: UtteranceFeed, utterances: UtteranceRegistry
) -> None:
    for n in range(MAX_REMEMBERED):
        utterances.mark_done(utterances.new(f"turn-{n}", "Hi."))
    assert len(feed.receipts) == MAX_REMEMBERED
