"""The house has the last word: what it allows is said, what it changes is said so, or nothing."""

import asyncio
import hmac
import json
from typing import Any

import httpx
import pytest

from app.problems import SpeechRefused
from app.sessions.speech.text import moderation
from app.sessions.speech.text.moderation import in_process
from tests.support.doubles import FakeClock, FakeKaltura, FakeServices, Gate, allowing_at, settled
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, said

SECRET = "a-secret-of-the-hook"
HOOK: dict[str, Any] = {"speech_hook_url": "https://hook.test/check", "speech_hook_secret": SECRET}


def house_with(answer: Any, kaltura: FakeKaltura, clock: FakeClock, **changes: Any) -> Domain:
    services = FakeServices(answer=lambda _: httpx.Response(200, content=json.dumps(answer)))
    return Domain(kaltura, clock, services=services, **(HOOK | changes))


async def test_each_text_is_asked_about_and_the_question_is_signed(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = house_with({"action": "allow"}, kaltura, clock)
    session = await house.open()
    receipt = await house.say(session, "Hello, 世界.")
    (asked,) = house.services.calls
    body = await asked.aread()
    assert json.loads(body) == {
        "sessionId": session.session_id,
        "visitor": "visitor-1",
        "text": "Hello, 世界.",
        "turnId": receipt.turn_id,
    }
    assert asked.headers["X-Signature"] == hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    assert said(kaltura) == ["Hello, 世界."]


async def test_a_changed_text_is_what_is_said_and_told(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    house = house_with({"action": "replace", "text": "Goodbye."}, kaltura, clock)
    receipt = await house.say(await house.open(), "Hello.")
    assert said(kaltura) == ["Goodbye."]
    assert receipt.text == "Goodbye."


async def test_a_refused_text_is_not_said_and_the_visitor_reads_why(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    answer = {"action": "refuse", "reason": "Not\nhere, \x00please."}
    house = house_with(answer, kaltura, clock, speech_hook_failure="allow")
    with pytest.raises(SpeechRefused) as refused:
        await house.say(await house.open(), "Hello.")
    assert refused.value.detail == "Not here, please."
    assert said(kaltura) == []


@pytest.mark.parametrize(
    "answer", ["?", None, {}, {"action": "maybe"}, {"action": "replace"}, [{"action": "allow"}]]
)
@pytest.mark.parametrize("then", ["allow", "refuse"])
async def test_without_an_answer_the_setting_decides(
    kaltura: FakeKaltura, clock: FakeClock, answer: Any, then: str
) -> None:
    house = house_with(answer, kaltura, clock, speech_hook_failure=then)
    session = await house.open()
    if then == "allow":
        await house.say(session, "Hello.")
        assert said(kaltura) == ["Hello."]
    else:
        with pytest.raises(SpeechRefused):
            await house.say(session, "Hello.")
        assert said(kaltura) == []


async def test_an_error_is_no_answer_whatever_its_body_says(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    services = FakeServices(answer=lambda _: httpx.Response(500, json={"action": "allow"}))
    house = Domain(kaltura, clock, services=services, **HOOK)
    with pytest.raises(SpeechRefused):
        await house.say(await house.open(), "Hello.")
    assert said(kaltura) == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001, "half \ud800"])
async def test_a_change_into_what_can_not_be_said_is_a_refusal_whatever_the_setting(
    kaltura: FakeKaltura, clock: FakeClock, text: str
) -> None:
    answer = {"action": "replace", "text": text}
    house = house_with(answer, kaltura, clock, speech_hook_failure="allow")
    with pytest.raises(SpeechRefused):
        await house.say(await house.open(), "Hello.")
    assert said(kaltura) == []


async def test_a_slow_hook_lets_no_text_overtake_another(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    first_asked, go_on = asyncio.Event(), asyncio.Event()

    async def ask(question: dict[str, Any]) -> dict[str, str]:
        if question["text"] == "First.":
            first_asked.set()
            await go_on.wait()
        return {"action": "allow"}

    house = Domain(kaltura, clock, hooks=[in_process(ask)])
    session = await house.open()
    first = asyncio.create_task(house.say(session, "First."))
    await first_asked.wait()
    second = asyncio.create_task(house.say(session, "Second."))
    await settled()
    assert said(kaltura) == []
    go_on.set()
    await asyncio.gather(first, second)
    await settled()
    assert said(kaltura) == ["First.", "Second."]


async def test_what_is_with_the_hook_when_stop_comes_is_not_said(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    gate = Gate()
    house = Domain(kaltura, clock, hooks=[in_process(allowing_at(gate))])
    session = await house.open()
    speaking = asyncio.create_task(house.say(session, LONG))
    await gate.reached.wait()
    await house.speech.interrupt(grant(session))
    gate.open.set()
    assert (await speaking).state.value == "interrupted"
    await clock.pass_by(1)
    assert said(kaltura) == []


async def test_each_hook_sees_what_the_one_before_it_made_of_the_text(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    def loud(question: dict[str, Any]) -> dict[str, str]:
        return {"action": "replace", "text": question["text"].upper()}

    async def no_shouting(question: dict[str, Any]) -> dict[str, str]:
        shouted = question["text"].isupper()
        return {"action": "refuse", "reason": "Quiet."} if shouted else {"action": "allow"}

    house = Domain(kaltura, clock, hooks=[in_process(loud), in_process(no_shouting)])
    with pytest.raises(SpeechRefused, match="Quiet"):
        await house.say(await house.open(), "Hello.")


async def test_a_hook_that_breaks_is_no_answer_and_no_bug(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    def broken(question: dict[str, Any]) -> dict[str, str]:
        raise ZeroDivisionError

    house = Domain(kaltura, clock, hooks=[in_process(broken)])
    with pytest.raises(SpeechRefused):
        await house.say(await house.open(), "Hello.")


async def test_a_hook_that_takes_too_long_is_no_answer(
    kaltura: FakeKaltura, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(question: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(moderation, "HOOK_SECONDS", 0.01)
    house = Domain(kaltura, clock, hooks=[in_process(late)])
    with pytest.raises(SpeechRefused, match="could not be checked"):
        await house.say(await house.open(), "Hello.")
    assert said(kaltura) == []
