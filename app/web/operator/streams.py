"""The operator's event streams and downloads, of which a few may be open at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import ServerSentEvent

from app.audit.reader import AuditReader, Filter, StoredEntry
from app.audit.writer import AuditWriter
from app.problems import InvalidRequest, RateLimited, RecordUnavailable, Unauthenticated
from app.web.bounds import WebBounds
from app.web.deps import (
    AuditReaderDep,
    AuditWriterDep,
    BoundsDep,
    OperatorStreamsDep,
    SharedSnapshotDep,
)
from app.web.docs.openapi import operation_id, problems
from app.web.error_responses import OPERATOR_PATH
from app.web.operator.dashboard import Dashboard, DashboardDep
from app.web.operator.exports import csv_lines, json_lines
from app.web.operator.filters import FilterDep, Given, Place
from app.web.operator.schemas import AuditAdded, AuditEvent, ConsoleEvent
from app.web.operator.shared_snapshot import SharedSnapshot
from app.web.operator.sign_in import OperatorDep
from app.web.stream_limit import EventStream, OpenStream

RECONNECT_MS: Final = 2000
MAX_NEWS: Final = 100
"""The most entries sent at one look; the next sends the others."""

MAX_STREAMS: Final = 16
"""Streams and downloads at the same time: each costs a connection and reads the record."""

router = APIRouter(
    prefix=f"{OPERATOR_PATH}/api",
    tags=["Operator"],
    generate_unique_id_function=operation_id,
)


async def _stream(streams: OperatorStreamsDep, _: OperatorDep) -> AsyncIterator[OpenStream]:
    with streams.one_more() as stream:
        yield stream


async def _download_stream(streams: OperatorStreamsDep, _: OperatorDep) -> AsyncIterator[None]:
    with streams.one_more(may_be_closed=False):  # half a file is of no use
        yield


StreamDep = Annotated[OpenStream, Depends(_stream)]
"""One more stream of the operator's; beyond `MAX_STREAMS` the oldest is closed for it."""

DownloadDep = Annotated[None, Depends(_download_stream)]
"""One more download of the operator's, which no newer one closes."""

_PROBLEMS: Final = problems(InvalidRequest, Unauthenticated, RateLimited, RecordUnavailable)


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    responses=problems(Unauthenticated, RateLimited) | {200: {"model": ConsoleEvent}},
)
async def follow_sessions(
    stream: StreamDep,
    dashboard: DashboardDep,
    record: AuditWriterDep,
    shared_snapshot: SharedSnapshotDep,
    bounds: BoundsDep,
) -> Response:
    """Follow the state: `sessions` events as at `/sessions`, `health` events as at `/health`.

    Each is sent when it changes, and every 15 seconds: within a second, or later when very many
    sessions are open. The stream ends after ten minutes; ask again.
    """
    return EventStream(_what_goes_on(dashboard, record, shared_snapshot, bounds), stream)


async def _what_goes_on(
    dashboard: Dashboard, record: AuditWriter, shared_snapshot: SharedSnapshot, bounds: WebBounds
) -> AsyncIterator[ServerSentEvent]:
    now = asyncio.get_running_loop().time
    ends_at, told, told_at = now() + bounds.stream_seconds, ["", ""], now()
    yield ServerSentEvent(retry=RECONNECT_MS)
    while True:
        sessions, health = await shared_snapshot.latest(dashboard.snapshot)
        shown = [sessions.but_for_clocks(), health.model_dump_json()]
        if now() - told_at >= bounds.repeat_seconds:
            told, told_at = ["", ""], now()
        if shown[0] != told[0]:
            yield ServerSentEvent(event="sessions", data=sessions)
        if shown[1] != told[1]:
            yield ServerSentEvent(event="health", data=health)
        told = shown
        if now() >= ends_at:
            return
        await _news(record, bounds)


@router.get(
    "/audit/events",
    status_code=200,
    response_class=EventStream,
    responses=_PROBLEMS | {200: {"model": AuditAdded}},
)
async def follow_audit(
    stream: StreamDep,
    audit_reader: AuditReaderDep,
    record: AuditWriterDep,
    wanted: FilterDep,
    bounds: BoundsDep,
    after: Annotated[
        Place | None, Given, Query(description="The id of an event; without it, from now on")
    ] = None,
    last_event_id: Annotated[Place | None, Header()] = None,
) -> Response:
    """Follow the audit record: each new entry as an `audit` event, oldest first.

    It goes on after `Last-Event-ID`, and neither skips nor repeats an entry. The stream ends after
    ten minutes; ask again.
    """
    begin = last_event_id or after
    events = _what_is_new(audit_reader, record, wanted, int(begin) if begin else None, bounds)
    return EventStream(events, stream)


async def _what_is_new(
    audit_reader: AuditReader,
    record: AuditWriter,
    wanted: Filter,
    after: int | None,
    bounds: WebBounds,
) -> AsyncIterator[ServerSentEvent]:
    now = asyncio.get_running_loop().time
    ends_at, told_at = now() + bounds.stream_seconds, now()
    if after is None:
        with contextlib.suppress(RecordUnavailable):
            after = (
                await audit_reader.newest()
            )  # a reader misses nothing from the beginning of the stream on
    yield ServerSentEvent(retry=RECONNECT_MS)
    while True:
        news: list[StoredEntry] = []
        with contextlib.suppress(RecordUnavailable):
            if after is None:
                after = await audit_reader.newest()
            looked_to = await audit_reader.newest()
            news = await audit_reader.newer(wanted, than=after, limit=MAX_NEWS)
            for found in news:
                after = found.row_id
                data = AuditEvent.of(found)
                yield ServerSentEvent(event="audit", id=str(after), data=data)
            if len(news) < MAX_NEWS:
                after = max(after, looked_to)  # entries that do not match are not read again
        if now() >= ends_at:
            return
        if news:
            told_at = now()
        elif now() - told_at >= bounds.repeat_seconds:
            yield ServerSentEvent(comment="nothing new")
            told_at = now()
        await _news(record, bounds)


async def _news(record: AuditWriter, bounds: WebBounds) -> None:
    """Return when the record has a new entry, or after `look_seconds`."""
    await asyncio.sleep(bounds.rest_seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(bounds.look_seconds - bounds.rest_seconds):
            await record.next_commit()


@router.get(
    "/audit.csv",
    response_class=StreamingResponse,
    responses=_PROBLEMS | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_csv(
    _: DownloadDep, audit_reader: AuditReaderDep, wanted: FilterDep
) -> StreamingResponse:
    """The entries that are asked for, newest first, as CSV.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    return await _download(csv_lines(audit_reader.every(wanted)), "text/csv; charset=utf-8", "csv")


@router.get(
    "/audit.jsonl",
    response_class=StreamingResponse,
    responses=_PROBLEMS
    | {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def export_json_lines(
    _: DownloadDep, audit_reader: AuditReaderDep, wanted: FilterDep
) -> StreamingResponse:
    """The entries that are asked for, newest first, as one JSON object of `/audit` a line."""
    return await _download(json_lines(audit_reader.every(wanted)), "application/x-ndjson", "jsonl")


async def _download(
    parts: AsyncIterator[str], media_type: str, extension: str
) -> StreamingResponse:
    first = await anext(parts, "")  # before the status, so that a failure to read is a problem

    async def whole() -> AsyncIterator[str]:
        yield first
        async for part in parts:
            yield part

    disposition = f'attachment; filename="record.{extension}"'
    headers = {"Content-Disposition": disposition}
    return StreamingResponse(whole(), media_type=media_type, headers=headers)
