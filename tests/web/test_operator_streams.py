"""What an operator follows and downloads: live, whole, bounded, and harmless in a spreadsheet."""

import asyncio
import codecs
import csv
import io
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.audit.reader import AuditReader
from app.web.bounds import WebBounds
from app.web.operator import streams
from app.web.operator.exports import PART
from app.web.operator.shared_snapshot import SharedSnapshot
from app.web.operator.streams import MAX_STREAMS
from tests.support.doubles import FakeClock
from tests.support.operators import TOKEN, following, signed_in
from tests.support.visitor_api import Visit, said

EVENTS = "/operator/api/events"
NEW = "/operator/api/audit/events"
ENDLESS = [EVENTS, NEW]
FORMULAS = ['=HYPERLINK("https://evil.example")', "+1", "-1", "@SUM(A1)", "\t=1", "＝1+1"]


SOON = WebBounds(look_seconds=0.02, rest_seconds=0.01)


@pytest.fixture
def visit(visit: Visit) -> Visit:
    """Looks are taken soon, one after the other."""

    async def visit_soon(*arguments: Any, **changes: Any) -> httpx.AsyncClient:
        return await visit(*arguments, **{"bounds": SOON, **changes})

    return visit_soon


@pytest.mark.parametrize("path", [*ENDLESS, "/operator/api/audit.csv", "/operator/api/audit.jsonl"])
async def test_a_stranger_follows_and_downloads_nothing(visit: Visit, path: str) -> None:
    assert (await (await visit(operator_token=TOKEN)).get(path)).status_code == 401


async def test_a_session_is_seen_to_begin_to_speak_and_to_end(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    operator = await signed_in(await visit())
    async with following(operator, EVENTS) as stream:
        await stream.until('"live":0')
        session_id = await said(visitor)
        await stream.until(session_id)
        path = f"/api/avatar-sessions/{session_id}"
        await visitor.post(f"{path}/speak", json={"text": "Heard by the operator."})
        await stream.until('"lastWords":"Heard by the operator."')
        await operator.post(f"/operator/api/sessions/{session_id}/end", json={})
        await stream.until('"live":1')
        assert (await stream.until('"sessions":[]}')).count('"sessions":[]}') >= 1
        state = (await visitor.get(path)).json()
        assert (state["state"], state["endReason"]) == ("ended", "operator")


async def test_looks_take_a_tenth_of_the_time_however_many_follow(clock: FakeClock) -> None:
    shared, looks = SharedSnapshot(clock), 0

    async def look() -> Any:
        nonlocal looks
        looks += 1
        clock.advance(0.5)
        await asyncio.sleep(0)
        return looks

    began = clock.now
    while clock.now < began + 60:
        found: list[Any] = await asyncio.gather(*(shared.latest(look) for _ in range(MAX_STREAMS)))
        assert set(found) == {looks}
        clock.advance(1)
    assert looks * 0.5 == pytest.approx(60 / 10, abs=0.5)


async def test_new_entries_are_told_in_order_and_behind_the_last_one_that_was_seen(
    visit: Visit,
) -> None:
    visitor = await visit(operator_token=TOKEN)
    operator = await signed_in(await visit())
    await said(visitor, "before")
    async with following(operator, f"{NEW}?event=say-text") as stream:
        await stream.until("retry")
        session_id = (await visitor.get("/api/avatar-sessions")).json()["sessions"][0]["sessionId"]
        for text in ("one", "two"):
            await visitor.post(f"/api/avatar-sessions/{session_id}/speak", json={"text": text})
        told = await stream.until('"two"')
    assert '"before"' not in told
    assert told.index('"one"') < told.index('"two"')
    first = told.split('"one"')[1].split("id: ")[1].split("\n")[0]
    operator.headers["Last-Event-ID"] = first
    async with following(operator, f"{NEW}?event=say-text") as stream:
        again = await stream.until('"two"')
    assert '"one"' not in again


async def test_nothing_is_told_twice_of_what_came_while_it_was_looked_at(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await visit(operator_token=TOKEN)
    operator = await signed_in(await visit())

    async def long_ago(_: AuditReader) -> int:
        return 0

    monkeypatch.setattr(AuditReader, "newest", long_ago)
    async with following(operator, f"{NEW}?event=say-text") as stream:
        session_id = await said(visitor, "one")
        await stream.until('"one"')
        await visitor.post(f"/api/avatar-sessions/{session_id}/speak", json={"text": "two"})
        assert (await stream.until('"two"')).count('"one"') == 1


async def test_entries_that_are_too_many_for_one_look_are_sent_at_the_next(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_NEWS", 1)
    visitor = await visit(operator_token=TOKEN)
    operator = await signed_in(await visit())
    session_id = await said(visitor, "one")
    for text in ("two", "three"):
        await visitor.post(f"/api/avatar-sessions/{session_id}/speak", json={"text": text})
    async with following(operator, f"{NEW}?event=say-text&after=0") as stream:
        told = await stream.until('"three"')
    assert told.index('"one"') < told.index('"two"')


async def test_only_so_many_follow_and_the_oldest_makes_room(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    async with AsyncExitStack() as stack:
        open_streams = []
        for n in range(MAX_STREAMS):
            stream = await stack.enter_async_context(following(operator, ENDLESS[n % 2]))
            assert await stream.begun() == 200
            open_streams.append(stream)
        for n, path in enumerate((*ENDLESS, "/operator/api/audit.csv")):
            one_more = await stack.enter_async_context(following(operator, path))
            assert await one_more.begun() == 200
            await open_streams[n].ended()
            assert not any(stream.is_over for stream in open_streams[n + 1 :])


async def test_what_is_downloaded_makes_room_for_nothing(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    table = "/operator/api/audit.csv"
    async with AsyncExitStack() as stack:
        for _ in range(MAX_STREAMS):
            stream = following(operator, table, reads_nothing=True)
            assert await (await stack.enter_async_context(stream)).begun() == 200
        for path in (*ENDLESS, table):
            refused = await stack.enter_async_context(following(operator, path))
            assert await refused.begun() == 429
            assert refused.headers["retry-after"]
    assert (await operator.get(table)).status_code == 200


async def test_a_stream_with_no_news_says_that_it_is_still_there(visit: Visit) -> None:
    bounds = replace(SOON, repeat_seconds=0.01)
    operator = await signed_in(await visit(operator_token=TOKEN, bounds=bounds))
    async with following(operator, NEW) as stream:
        await stream.until(": nothing new\n\n")


async def test_a_stream_ends_so_that_its_reader_is_asked_who_it_is_again(
    visit: Visit,
) -> None:
    bounds = replace(SOON, stream_seconds=0.1)
    operator = await signed_in(await visit(operator_token=TOKEN, bounds=bounds))
    for path in ENDLESS:
        async with asyncio.timeout(20):
            assert (await operator.get(path)).status_code == 200  # it has an end


async def exported(operator: httpx.AsyncClient, asked: str = "") -> list[dict[str, str]]:
    answer = await operator.get(f"/operator/api/audit.csv?{asked}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'attachment; filename="record.csv"' in answer.headers["Content-Disposition"]
    assert answer.content.startswith(codecs.BOM_UTF8)  # or Excel reads another country's letters
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_no_cell_of_an_export_is_a_formula(visit: Visit) -> None:
    visitor = await visit(operator_token=TOKEN)
    await said(visitor, *FORMULAS)
    rows = await exported(await signed_in(await visit()), "event=say-text")
    texts = [row["text"] for row in reversed(rows)]
    assert [text.lstrip("'") for text in texts] == [text.strip() for text in FORMULAS]
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "＝"))


async def test_an_export_has_all_that_is_asked_for_and_is_written_in_parts(
    visit: Visit, clock: FakeClock
) -> None:
    visitor = await visit(operator_token=TOKEN, speak_rate_limit="10000/minute")
    session_id = await said(visitor, *(f"text {n}" for n in range(PART + 20)), clock=clock)
    operator = await signed_in(await visit())
    asked = f"event=say-text&sessionId={session_id}&text=text"
    texts = [f"text {n}" for n in reversed(range(PART + 20))]
    assert [row["text"] for row in await exported(operator, asked)] == texts
    async with following(operator, f"/operator/api/audit.jsonl?{asked}") as stream:
        lines = (await stream.until('"text 0"')).splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["detail"]["text"] for event in events] == texts
    assert (
        events[:50]
        == (await operator.get(f"/operator/api/audit?{asked}&limit=50")).json()["events"]
    )


async def test_the_health_of_kaltura_and_the_house_is_told(visit: Visit) -> None:
    await said(await visit(operator_token=TOKEN), "hello")
    health = (await (await signed_in(await visit())).get("/operator/api/health")).json()
    assert (health["live"], health["capacity"], health["waiting"]) == (1, 5, 0)
    assert (health["breaker"], health["recordFails"]) == ("closed", False)
    calls = {told["operation"]: (told["calls"], told["failed"]) for told in health["operations"]}
    assert calls == {"create": (1, 0), "init-client": (1, 0), "say-text": (1, 0)}
