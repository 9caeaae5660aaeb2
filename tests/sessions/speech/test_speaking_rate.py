"""How long a text takes to be said: by its script, and by the rate of the voice so far."""

import pytest

from app.sessions.speech.voice.speaking_rate import (
    FASTEST,
    LEAST_SECONDS,
    SLOWEST,
    SpeakingRate,
    seconds_to_say,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("fifteen letters", 1),
        ("七つの文字", 1),
        ("1984", 1),
        ("e\u0301" * 15, 1),
        ("a", LEAST_SECONDS),
    ],
)
def test_a_text_takes_as_long_as_its_script_asks_for(text: str, seconds: float) -> None:
    assert seconds_to_say(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("took", "factor"), [(100, SLOWEST), (0.01, FASTEST)])
def test_a_rate_is_learnt_and_stays_within_its_bounds(took: float, factor: float) -> None:
    rate = SpeakingRate()
    rate.learn(1, 1.5)
    assert rate.seconds("fifteen letters") == pytest.approx(1.25)
    for _ in range(20):
        rate.learn(1, took)
    assert rate.seconds("fifteen letters") == pytest.approx(factor)
