"""What can't be put on record is not done, and it heals by itself."""

import asyncio
from typing import Any

import httpx
import pytest

from app.db.database import Database
from app.kaltura.contract import Operation
from app.sessions.service import KEEP_ALIVE_SECONDS
from tests.support.audit import CREATE, TOKEN, Disk, Operator, opens, path
from tests.support.doubles import FakeClock, FakeKaltura, Gate
from tests.support.visitor_api import CONTROLS, UPSTREAM, Visit, bearer

SPEAK: dict[str, Any] = {"json": {"text": "Hello"}}


def is_refused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["type"]) == (503, "/problems/record-unavailable")


async def test_only_calls_on_their_way_when_the_disk_fails_may_have_been_carried_out(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    disk.is_full = True
    first, second, third = [await visitor.post(path(session, "speak"), **SPEAK) for _ in range(3)]
    assert all(is_refused(answer) for answer in (first, second, third))
    assert first.headers["Retry-After"]
    assert kaltura.operations().count("say-text") == 1
    disk.is_full = False
    assert (await visitor.post(path(session, "speak"), **SPEAK)).is_success
    said = await Operator(visitor).record(event="say-text")
    sent, later = said  # what was said is on record as soon as it can be, and nothing else
    assert (sent["requestId"], sent["outcome"]) == (first.headers["X-Request-ID"], "ok")
    assert later["outcome"] == "ok"


@pytest.mark.parametrize("control", ["speak", "speak-audio"])
async def test_no_control_is_carried_out_that_cannot_be_written_down(
    visit: Visit, kaltura: FakeKaltura, disk: Disk, control: str
) -> None:
    visitor = await visit()
    session = await opens(visitor)
    disk.is_full = True
    await visitor.post(path(session, "interrupt"))
    before = kaltura.operations().count(UPSTREAM.get(control, control))
    assert is_refused(await visitor.post(path(session, control), **CONTROLS[control]))
    assert kaltura.operations().count(UPSTREAM.get(control, control)) == before


async def test_no_session_is_opened_that_cannot_be_written_down(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit()
    disk.is_full = True
    assert is_refused(await visitor.post(CREATE))
    assert kaltura.operations() == []
    disk.is_full = False
    await opens(visitor)


@pytest.mark.parametrize("surface", ["/api/avatar-sessions", "/v1/avatar-session"])
@pytest.mark.parametrize("control", ["keep-alive", "interrupt"])
async def test_what_keeps_a_session_or_silences_it_gets_through_and_is_on_record_later(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock, disk: Disk, surface: str, control: str
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    at = f"{surface}/{session['sessionId']}/{control}"
    disk.is_full = True
    for _ in range(3):  # the first finds out that the disk is full
        clock.advance(KEEP_ALIVE_SECONDS)
        answer = await visitor.post(at, headers=bearer(session))
        assert answer.status_code == 503, "no answer says that it is on record before it is"
    assert kaltura.operations().count(control) == 3
    disk.is_full = False
    await visitor.post(path(session, "end"))
    found = await Operator(visitor).record(event=control, keepAlives="all")
    assert [entry["outcome"] for entry in found] == ["ok"] * 3


async def test_who_presses_stop_has_silence_though_it_can_not_be_written_down(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit()
    session = await opens(visitor)
    for _ in range(3):
        await visitor.post(path(session, "speak"), **SPEAK)
    disk.is_full = True
    for call in ("keep-alive", "interrupt"):  # the first finds out that the disk is full
        await visitor.post(path(session, call))
    told = (await visitor.get(path(session, "utterances"))).json()["utterances"]
    assert {utterance["state"] for utterance in told} == {"interrupted"}


async def test_an_end_always_gets_through_and_is_on_record_later(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    disk.is_full = True
    assert (await visitor.post(path(session, "end"))).is_success
    assert kaltura.operations()[-1] == Operation.END
    disk.is_full = False
    await opens(visitor)
    events = await Operator(visitor).kinds(sessionId=session["sessionId"])
    assert events[3:] == ["ended", "end"]


async def test_where_the_record_is_not_required_everything_goes_on(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit(audit_required=False, operator_token=TOKEN)
    session = await opens(visitor)
    disk.is_full = True
    for control, content in CONTROLS.items():
        answer = await visitor.post(path(session, control), **content)
        assert answer.is_success, control
    disk.is_full = False
    await opens(visitor)
    told = await Operator(visitor).kinds(sessionId=session["sessionId"])
    assert set(told) >= {"say-text", "say-audio", "interrupt", "keep-alive", "end", "ended"}


async def test_a_session_whose_opening_cannot_be_written_down_is_ended(
    visit: Visit, kaltura: FakeKaltura, disk: Disk
) -> None:
    visitor = await visit()

    async def fails_meanwhile() -> httpx.Response:
        disk.is_full = True
        return httpx.Response(200, json={"success": True, "whepUrl": kaltura.whep_url})

    kaltura.will("init-client", fails_meanwhile)
    assert is_refused(await visitor.post(CREATE))
    assert kaltura.operations() == ["create", "init-client", "end"]


async def test_a_call_is_on_record_while_kaltura_has_not_answered(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=TOKEN)
    session = await opens(visitor)
    gate = Gate()
    kaltura.will("say-text", gate)
    saying = asyncio.create_task(visitor.post(path(session, "speak"), **SPEAK))
    await gate.reached.wait()
    [pending] = await Operator(visitor).record(event="say-text")
    assert (pending["outcome"], pending["detail"]["text"]) == ("pending", "Hello")
    gate.open.set()
    await saying
    assert (await Operator(visitor).record(event="say-text"))[0]["outcome"] == "ok"


async def test_no_answer_leaves_before_its_entry_is_on_disk(
    visit: Visit, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit()
    session = await opens(visitor)
    write, disk = Database.write, asyncio.Event()

    async def slow(self: Database, work: Any, **options: Any) -> Any:
        await disk.wait()
        return await write(self, work, **options)

    monkeypatch.setattr(Database, "write", slow)
    saying = asyncio.create_task(visitor.post(path(session, "speak"), **SPEAK))
    while "say-text" not in kaltura.operations():  # noqa: ASYNC110 - Kaltura tells nobody
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not saying.done(), "Kaltura has answered, and the disk has not"
    disk.set()
    assert (await saying).is_success
