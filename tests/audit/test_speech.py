"""What is said, what the house makes of it, and what becomes of it, on record."""

import json

import httpx

from tests.audit.house import TOKEN, Operator, opens, path
from tests.conftest import Visit
from tests.doubles import FakeClock, FakeKaltura, FakeServices, refusal

HOOK = {"operator_token": TOKEN, "speech_hook_url": "https://hook.test", "speech_hook_secret": "s"}


def answers(speech: FakeServices, action: dict[str, str]) -> None:
    speech.answer = lambda _: httpx.Response(200, json=action)


async def test_words_that_the_house_changed_are_on_record_beside_those_asked_for(
    visit: Visit, speech: FakeServices, kaltura: FakeKaltura
) -> None:
    answers(speech, {"action": "replace", "text": "Good day"})
    visitor = await visit(**HOOK)
    session = await opens(visitor)
    await visitor.post(path(session, "speak"), json={"text": "Oi"})
    [entry] = await Operator(visitor).record(event="say-text")
    assert (entry["detail"]["text"], entry["detail"]["saidInstead"]) == ("Oi", "Good day")
    assert [c.body["text"] for c in kaltura.calls if c.operation == "say-text"] == ["Good day"]


async def test_words_that_the_house_refused_are_on_record_with_its_reason(
    visit: Visit, speech: FakeServices, kaltura: FakeKaltura
) -> None:
    answers(speech, {"action": "refuse", "reason": "No rudeness here."})
    visitor = await visit(**HOOK)
    session = await opens(visitor)
    await visitor.post(path(session, "speak"), json={"text": "Oi"})
    [entry] = await Operator(visitor).record(event="say-text")
    assert (entry["outcome"], entry["detail"]["text"]) == ("speech-refused", "Oi")
    assert "No rudeness here." in entry["detail"]["why"]
    assert "say-text" not in kaltura.operations()


async def test_changed_words_are_kept_no_more_than_others(
    visit: Visit, speech: FakeServices
) -> None:
    answers(speech, {"action": "replace", "text": "Good day"})
    visitor = await visit(**HOOK, audit_text="none")
    session = await opens(visitor)
    await visitor.post(path(session, "speak"), json={"text": "Oi"})
    told = json.dumps(await Operator(visitor).page())
    assert "Good day" not in told
    assert "Oi" not in told


async def test_each_sentence_of_a_text_that_is_being_written_is_on_record(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    lines = [json.dumps({"text": text}) for text in ("One is said. ", "And two. ", "Three.")]
    await visitor.post(
        path(session, "speak"),
        content="\n".join(lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    whole, *sentences = await Operator(visitor).record(event="say-text")
    assert whole["detail"]["streamed"]
    assert "".join(each["detail"]["text"] for each in sentences) == "One is said. And two. Three."
    assert {each["detail"]["turnId"] for each in sentences} == {whole["detail"]["turnId"]}
    assert {each["outcome"] for each in (whole, *sentences)} == {"ok"}


async def test_what_stands_in_line_is_on_record_and_so_is_what_becomes_of_it(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    long = "This goes on for quite a while, and nothing is said before it is over. " * 5
    first = await visitor.post(path(session, "speak"), json={"text": long})
    second = await visitor.post(path(session, "speak"), json={"text": "Next."})
    assert second.json()["state"] == "queued"
    await visitor.post(path(session, "interrupt"))
    asked = await Operator(visitor).record(event="say-text")
    assert [entry["detail"].get("queued") for entry in asked] == [None, True]
    assert [entry["upstreamStatus"] for entry in asked] == [200, None]
    fates = await Operator(visitor).record(event="said")
    assert {fate["detail"]["turnId"] for fate in fates} == {
        answer.json()["turnId"] for answer in (first, second)
    }
    assert {(fate["outcome"], fate["requestId"]) for fate in fates} == {("interrupted", None)}


async def test_what_could_not_be_said_is_on_record_as_failed(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    kaltura.will("say-text", refusal(500))
    await visitor.post(path(session, "speak"), json={"text": "Hello"})
    [fate] = await Operator(visitor).record(event="said")
    assert (fate["outcome"], fate["detail"]["reason"]) == ("failed", "kaltura-error")


async def test_a_stop_that_kaltura_refused_is_on_record_with_its_status(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    kaltura.will("interrupt", *(refusal(500) for _ in range(3)))
    answer = await visitor.post(path(session, "interrupt"))
    [entry] = await Operator(visitor).record(event="interrupt")
    assert answer.status_code == 502
    assert (entry["outcome"], entry["upstreamStatus"]) == ("kaltura-error", 500)
