"""A session's life, told as it happens; and texts that are said while they are written."""

import asyncio
import codecs
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import httpx
import pytest
import structlog

from app.main import Transports, create_app
from app.problems import RateLimited
from app.web.bounds import WebBounds
from app.web.stream_limit import StreamLimit
from app.web.visitor.events import MAX_FOLLOWERS, MAX_FOLLOWERS_PER_SESSION
from app.web.visitor.text_stream import MAX_BYTES, MAX_EVENT_BYTES
from tests.support.doubles import FakeClock, FakeKaltura, refusal, settings, settled
from tests.support.operators import following
from tests.support.raw_http import serving
from tests.support.visitor_api import Visit, bearer, is_problem, opened, path

Told = list[tuple[str, dict[str, Any]]]


def told(body: str) -> Told:
    """The events of a stream, by name and data."""
    found = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line[1:])
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def speak(visitor: httpx.AsyncClient, session: dict[str, Any], text: str) -> dict[str, Any]:
    answer = await visitor.post(path(session, "speak"), json={"text": text})
    spoken: dict[str, Any] = answer.raise_for_status().json()
    return spoken


async def test_the_events_tell_each_fate_and_end_with_the_session(
    visitor: httpx.AsyncClient, clock: FakeClock
) -> None:
    session = await opened(visitor)
    following = asyncio.create_task(visitor.get(path(session, "events")))
    await settled()
    spoken = await speak(visitor, session, "Hello.")
    await clock.pass_by(3)
    await speak(visitor, session, "Cut off.")
    await visitor.post(path(session, "end"))
    answer = await following
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    names = told(answer.text)
    assert names[0] == ("session", {**names[0][1], "state": "live", "secondsLeft": 900})
    assert names[-1][1]["state"] == "ended"
    assert names[-1][1]["endReason"] == "visitor"
    lives: dict[str, list[str]] = {}
    for name, data in names:
        if name == "utterance":
            lives.setdefault(data["turnId"], []).append(data["state"])
    assert lives.pop(spoken["turnId"]) == ["queued", "speaking", "done"]
    assert list(lives.values()) == [["queued", "speaking", "interrupted"]]


async def test_who_comes_back_gets_what_they_missed_and_who_is_new_gets_what_there_is(
    visitor: httpx.AsyncClient, clock: FakeClock
) -> None:
    session = await opened(visitor)
    await speak(visitor, session, "One.")
    await clock.pass_by(3)
    await speak(visitor, session, "Two.")
    await visitor.post(path(session, "end"))
    whole = await visitor.get(path(session, "events"))
    assert [data["text"] for name, data in told(whole.text) if name == "utterance"] == [
        "One.",
        "Two.",
    ]
    last_id = whole.text.split("id: ")[-2].split("\n")[0]
    again = await visitor.get(path(session, "events"), headers={"Last-Event-ID": last_id})
    assert [name for name, _ in told(again.text)] == ["session", "session"]
    epoch, _, number = last_id.partition("-")
    missed = await visitor.get(
        path(session, "events"), headers={"Last-Event-ID": f"{epoch}-{int(number) - 1}"}
    )
    assert [name for name, _ in told(missed.text)] == ["session", "utterance", "session"]
    for nonsense in ("?", "-", f"{epoch}-", f"{epoch}-9999999999", "other-1"):
        anew = await visitor.get(path(session, "events"), headers={"Last-Event-ID": nonsense})
        assert len(told(anew.text)) == 4


async def test_a_stranger_follows_nothing_and_reads_nothing(visit: Visit) -> None:
    owner, stranger = await visit(), await visit()
    session = await opened(owner)
    await speak(owner, session, "Mine.")
    await opened(stranger)
    for name in ("events", "utterances"):
        assert is_problem(await stranger.get(path(session, name)), "session-not-found", 404)
    heard = path(session, "utterances/turn-1/heard")
    answer = await stranger.post(heard, json={"state": "started"})
    assert is_problem(answer, "session-not-found", 404)


async def test_so_many_may_follow_one_session_and_the_oldest_makes_room(visit: Visit) -> None:
    visitor = await visit()
    session = await opened(visitor)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(following(visitor, path(session, "events")))
            for _ in range(MAX_FOLLOWERS_PER_SESSION + 1)
        ]
        for stream in streams:
            await stream.until("live")
        await streams[0].ended()
        await visitor.post(path(session, "end"))
        for stream in streams[1:]:
            await stream.until("ended")
        assert "ended" not in await streams[0].ended()


async def test_a_reader_that_reads_nothing_keeps_no_place(visit: Visit) -> None:
    visitor = await visit()
    session = await opened(visitor)
    async with AsyncExitStack() as stack:
        for _ in range(MAX_FOLLOWERS_PER_SESSION):
            stuck = following(visitor, path(session, "events"), reads_nothing=True)
            assert await (await stack.enter_async_context(stuck)).begun() == 200
        for _ in range(MAX_FOLLOWERS_PER_SESSION):
            stream = await stack.enter_async_context(following(visitor, path(session, "events")))
            await stream.until("live")


async def test_so_many_follow_in_all_and_one_session_does_not_push_out_another() -> None:
    followers = StreamLimit(of_one=MAX_FOLLOWERS_PER_SESSION, of_all=MAX_FOLLOWERS)
    with ExitStack() as stack:
        for number in range(MAX_FOLLOWERS):
            stack.enter_context(followers.one_more(str(number)))
        with pytest.raises(RateLimited), followers.one_more("one too many"):
            pass
    with followers.one_more("one too many"):
        pass


async def test_an_event_source_that_has_seen_the_end_is_told_to_ask_no_more(
    visit: Visit,
) -> None:
    visitor, stranger = await visit(), await visit()
    session = await opened(visitor)
    url = path(session, "events")
    asking = asyncio.create_task(visitor.get(url, headers={"Last-Event-ID": "end"}))
    await settled()
    assert not asking.done(), "the end of an earlier session of this id is none of this one"
    await visitor.post(path(session, "end"))
    last_id = (await asking).text.rpartition("id: ")[2].split("\n")[0]
    again = await visitor.get(url, headers={"Last-Event-ID": last_id})
    assert (again.status_code, again.content) == (204, b"")
    assert told((await visitor.get(url)).text)[-1][1]["state"] == "ended", "who comes late is told"
    await opened(stranger)
    for anyones in (url, path({"sessionId": "nobodys"}, "events")):
        answer = await stranger.get(anyones, headers={"Last-Event-ID": last_id})
        assert is_problem(answer, "session-not-found", 404)


async def test_a_hang_up_amid_many_events_is_no_bug(visitor: httpx.AsyncClient) -> None:
    session = await opened(visitor)
    for number in range(20):
        await speak(visitor, session, f"Text {number}.")
    with structlog.testing.capture_logs() as logs:
        async with following(visitor, path(session, "events"), reads_nothing=True) as stream:
            assert await stream.begun() == 200
            await settled()
    assert [line["event"] for line in logs] == ["request"]


async def test_to_follow_is_no_sign_of_life(visit: Visit, clock: FakeClock) -> None:
    bounds = WebBounds(session_events_seconds=0.01)
    visitor = await visit(session_idle_seconds=60, bounds=bounds)
    session = await opened(visitor)
    following = asyncio.create_task(visitor.get(path(session, "events")))
    await settled()
    clock.advance(61)
    answer = await following
    assert told(answer.text)[-1][1]["endReason"] == "idle"


async def test_utterances_tell_what_was_asked_for_and_why_it_failed(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    kaltura.will("say-text", refusal(500))
    await visitor.post(path(session, "speak"), json={"text": "No.", "turnId": "turn-1"})
    await visitor.post(path(session, "speak"), json={"text": "Yes.", "turnId": "turn-2"})
    told = (await visitor.get(path(session, "utterances"))).json()["utterances"]
    assert [(each["turnId"], each["text"], each["state"], each["reason"]) for each in told] == [
        ("turn-1", "No.", "failed", "kaltura-error"),
        ("turn-2", "Yes.", "speaking", None),
    ]
    heard = await visitor.post(path(session, "utterances/turn-2/heard"), json={"state": "ended"})
    assert heard.json() == {"success": True}


# Texts that are being written


async def lines(*texts: str, sse: bool = False) -> AsyncIterator[bytes]:
    for text in texts:
        line = json.dumps({"text": text}).encode()
        yield b"data: " + line + b"\n\n" if sse else line + b"\n"


NDJSON = {"Content-Type": "application/x-ndjson"}
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize(("headers", "sse"), [(NDJSON, False), (EVENT_STREAM, True)])
async def test_a_text_of_many_lines_is_said_sentence_by_sentence(
    visitor: httpx.AsyncClient,
    kaltura: FakeKaltura,
    headers: dict[str, str],
    sse: bool,  # noqa: FBT001
) -> None:
    session = await opened(visitor)
    answer = await visitor.post(
        path(session, "speak") + "?turnId=turn-9",
        content=lines("Hello ", "there. I", " am here", ".", sse=sse),
        headers=headers,
    )
    assert answer.json() == {"success": True, "turnId": "turn-9"}
    await settled()
    sent = [call.body for call in kaltura.calls if call.operation == "say-text"]
    assert [body["text"] for body in sent] == ["Hello there. ", "I am here."]
    assert [body["isFinal"] for body in sent] == [False, True]


@pytest.mark.parametrize(("headers", "sse"), [(NDJSON, False), (EVENT_STREAM, True)])
async def test_a_character_that_was_cut_in_two_is_whole_again(
    visitor: httpx.AsyncClient,
    kaltura: FakeKaltura,
    headers: dict[str, str],
    sse: bool,  # noqa: FBT001
) -> None:
    session = await opened(visitor)
    texts = ("So \ud83d", "\ude00", " glad\x0b", "\ufeff.")
    content = lines(*texts, sse=sse)
    answer = await visitor.post(path(session, "speak"), content=content, headers=headers)
    assert answer.status_code == 200
    assert kaltura.calls[-1].body["text"] == "So \N{GRINNING FACE} glad ."


@pytest.mark.parametrize("headers", [NDJSON, EVENT_STREAM])
@pytest.mark.parametrize("cut", [0, 1, 3, 9])
async def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, headers: dict[str, str], cut: int
) -> None:
    session = await opened(visitor)
    field = b"" if headers is NDJSON else b"data: "
    body = codecs.BOM_UTF8 + field + b'{"text": "Hello."}' + b"\n" * bool(cut)

    async def content() -> AsyncIterator[bytes]:
        yield body[:cut]
        yield body[cut:]

    url = path(session, "speak")
    assert (await visitor.post(url, content=content(), headers=headers)).is_success
    assert [call.body["text"] for call in kaltura.calls if call.operation == "say-text"] == [
        "Hello."
    ]


async def test_lines_that_can_not_be_read_are_a_documented_problem(
    visitor: httpx.AsyncClient,
) -> None:
    session = await opened(visitor)
    for content, status in [
        (b"{", 400),
        (b"\xff\n", 400),
        (b"[" * 100_000, 413),
        (b"[" * 20_000 + b"\n", 400),
        (b'{"texts": "a"}\n', 422),
        (b'{"text": 1}\n', 422),
        (b'{"text": "a", "more": 1}\n', 422),
        (b'"a"\n', 422),
        (b'{"text": "half \\ud800"}\n', 422),
        (b'{"text": "' + b"x" * 70_000 + b'"}\n', 413),
        (b'{"text": "' + b"x" * 2_000 + b'"}\n', 422),
        (b"\n" * 5_000_000, 413),
        (b"", 422),
    ]:
        answer = await visitor.post(path(session, "speak"), content=content, headers=NDJSON)
        assert is_problem(answer, "invalid-request", status)


async def test_an_event_of_too_many_lines_is_refused_before_it_is_whole(
    visitor: httpx.AsyncClient,
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < MAX_BYTES:
            part = b"data: 1\n" * 1000
            read += len(part)
            yield part

    session = await opened(visitor)
    answer = await visitor.post(path(session, "speak"), content=endless(), headers=EVENT_STREAM)
    assert is_problem(answer, "invalid-request", 413)
    assert read < 8 * MAX_EVENT_BYTES


async def test_a_stranger_s_lines_are_not_read(visit: Visit) -> None:
    owner, stranger = await visit(), await visit()
    session = await opened(owner)
    read = []

    async def watched() -> AsyncIterator[bytes]:
        async for line in lines("Hello."):
            read.append(line)
            yield line

    answer = await stranger.post(path(session, "speak"), content=watched(), headers=NDJSON)
    assert is_problem(answer, "unauthenticated", 401)
    assert read == []


async def test_a_writer_that_breaks_off_has_said_what_it_wrote() -> None:
    kaltura = FakeKaltura()
    async with serving(create_app(settings(), transports=Transports(kaltura=kaltura))) as house:
        client = await house.connect()
        await client.send(
            b"POST /api/create-avatar-session HTTP/1.1\r\nHost: broker.test\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        session = json.loads((await client.answer()).partition(b"\r\n\r\n")[2])
        token = bearer(session)["Authorization"].encode()
        line = b'{"text": "One whole sentence. And half of"}\n'
        await client.send(
            b"POST /api/avatar-sessions/" + session["sessionId"].encode() + b"/speak HTTP/1.1\r\n"
            b"Host: broker.test\r\nAuthorization: " + token + b"\r\n"
            b"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
            + f"{len(line):x}\r\n".encode()
            + line
            + b"\r\n"
        )
        async with asyncio.timeout(10):
            while "say-text" not in kaltura.operations():  # noqa: ASYNC110 - a real server
                await asyncio.sleep(0.01)
            client.close()
            while kaltura.operations().count("say-text") < 2:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
    sent = [call.body for call in kaltura.calls if call.operation == "say-text"]
    assert [(body["text"], body["isFinal"]) for body in sent] == [
        ("One whole sentence. ", False),
        ("And half of", True),
    ]
