"""Reading of the audit record, in pages, newest first."""

import json
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, func, or_, select

from app.audit.model import OK, PENDING, UNKNOWN, Entry, Event
from app.audit.schema import AUDIT
from app.audit.search import mentions
from app.audit.writer import AuditWriter
from app.db.database import Database

MAX_PAGE: Final = 1000
FAILED: Final = "failed"
SEARCHED: Final = 25_000
"""The most entries that one page of a search looks through; the next page goes on from there."""


@dataclass(frozen=True)
class Filter:
    """The conditions that an entry must meet, all of them.

    `since` and `until` are unix seconds. `outcome` is that of an entry, or `FAILED` for all but
    `OK` and `PENDING`. Without `keep_alives`, keep-alives that have not failed are left out.
    """

    session_id: str | None = None
    visitor: str | None = None
    event: Event | None = None
    outcome: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None
    keep_alives: bool = True

    @property
    def is_of_everyone(self) -> bool:
        """Whether the filter is for no session and no visitor in particular."""
        return self.session_id is None and self.visitor is None

    @property
    def is_search(self) -> bool:
        """Whether no index serves the filter, so that entries must be looked through one by one."""
        return bool(_searched_for(AUDIT.c, self))


@dataclass(frozen=True)
class StoredEntry:
    """An entry and its id in the database; ids grow in the order of commits."""

    row_id: int
    entry: Entry


@dataclass(frozen=True)
class Page:
    """A page of entries, newest first; `older` is the cursor of the next page, None at the end.

    A search (`Filter.is_search`) may find none on a page and yet have `older` to look through.
    """

    found: list[StoredEntry]
    older: int | None


class AuditReader:
    """Reads the audit record, after everything handed to the writer is on disk."""

    def __init__(
        self, database: Database, record: AuditWriter, *, searched: int = SEARCHED
    ) -> None:
        self._database = database
        self._record = record
        self._searched = searched

    async def page(self, wanted: Filter, *, limit: int, before: int | None = None) -> Page:
        """The newest entries older than `before`; raises `RecordUnavailable`.

        Entries that are added meanwhile are newer than all of these, so that going on from
        `older` neither skips nor repeats any.
        """
        await self._record.flush()
        query = select(AUDIT).order_by(AUDIT.c.id.desc())
        if before is not None:
            query = query.where(AUDIT.c.id < before)
        query = await self._where(query, wanted)
        if wanted.is_search:
            return await self._search(query, wanted, limit)
        rows = await self._database.read(query.limit(limit + 1))
        older = rows[limit - 1].id if len(rows) > limit else None
        return Page(await self._found(rows[:limit]), older)

    async def newer(self, wanted: Filter, *, than: int, limit: int) -> list[StoredEntry]:
        """The entries after `than`, oldest first; raises `RecordUnavailable`."""
        await self._record.flush()
        query = select(AUDIT).where(AUDIT.c.id > than).order_by(AUDIT.c.id)
        query = await self._where(query, wanted)
        query = query.where(*_searched_for(AUDIT.c, wanted))
        return await self._found(await self._database.read(query.limit(limit)))

    async def newest(self) -> int:
        """The id of the newest entry, 0 when there is none; raises `RecordUnavailable`."""
        await self._record.flush()
        [row] = await self._database.read(select(func.max(AUDIT.c.id)))
        return row[0] or 0

    async def every(self, wanted: Filter) -> AsyncIterator[StoredEntry]:
        """Every entry that matches, newest first; one page at a time is in memory."""
        page = await self.page(wanted, limit=MAX_PAGE)
        while True:
            for found in page.found:
                yield found
            if page.older is None:
                return
            page = await self.page(wanted, limit=MAX_PAGE, before=page.older)

    async def latest(
        self, session_ids: Iterable[str], event: Event, *, with_words: bool = False
    ) -> dict[str, Entry]:
        """The latest entry of an event for each of these sessions, by session id.

        With `with_words`, entries without a text are passed over.
        """
        await self._record.flush()
        ids = [
            select(AUDIT.c.id)
            .where(AUDIT.c.session_id == session_id, _is_of_some(event))
            .where(*([AUDIT.c.text.is_not(None)] if with_words else []))
            .order_by(AUDIT.c.id.desc())
            .limit(1)
            .scalar_subquery()
            for session_id in session_ids
        ]
        rows = [
            row
            for start in range(0, len(ids), _AT_ONCE)
            for row in await self._database.read(
                select(AUDIT).where(AUDIT.c.id.in_(ids[start : start + _AT_ONCE]))
            )
        ]
        return {
            found.entry.session_id: found.entry
            for found in await self._found(rows)
            if found.entry.session_id is not None
        }

    async def _where(self, query: Select[Any], wanted: Filter) -> Select[Any]:
        for column, value in (
            (AUDIT.c.session_id, wanted.session_id),
            (AUDIT.c.visitor, wanted.visitor),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.event is not None:
            of_everyone = AUDIT.c.event == wanted.event.value
            is_wanted = of_everyone if wanted.is_of_everyone else _is_of_some(wanted.event)
            query = query.where(is_wanted)
        if wanted.since is not None:
            query = query.where(AUDIT.c.at >= wanted.since)
            first = select(AUDIT.c.id).where(AUDIT.c.at < wanted.since - _AT_MOST)
            before = await self._one(first.order_by(AUDIT.c.at.desc()))
            query = query if before is None else query.where(AUDIT.c.id > before)
        if wanted.until is not None:
            query = query.where(AUDIT.c.at < wanted.until)
            last = select(AUDIT.c.id).where(AUDIT.c.at >= wanted.until + _AT_MOST)
            after = await self._one(last.order_by(AUDIT.c.at))
            query = query if after is None else query.where(AUDIT.c.id < after)
        return query

    async def _one(self, query: Select[Any]) -> int | None:
        """The id of the first row of a query."""
        rows = await self._database.read(query.limit(1))
        return int(rows[0].id) if rows else None

    async def _search(self, query: Select[Any], wanted: Filter, limit: int) -> Page:
        last = query.with_only_columns(AUDIT.c.id).offset(self._searched - 1)
        end = await self._one(last)
        if end is not None:
            query = query.where(AUDIT.c.id >= end)
        query = query.where(*_searched_for(AUDIT.c, wanted)).limit(limit + 1)
        rows = await self._database.read(query)
        if len(rows) > limit:
            return Page(await self._found(rows[:limit]), rows[limit - 1].id)
        return Page(await self._found(rows), end)

    async def _found(self, rows: Sequence[Row[Any]]) -> list[StoredEntry]:
        holders = {row.holder for row in rows if row.outcome == PENDING}
        dead = {holder for holder in holders if not await self._database.is_process_running(holder)}
        return [StoredEntry(row.id, entry_of(row, dead)) for row in rows]


def entry_of(row: Row[Any], dead: Container[str] = ()) -> Entry:
    """The entry in a row; one that a process of `dead` left pending has an unknown outcome."""
    is_unknown = row.outcome == PENDING and row.holder in dead
    return Entry(
        at=row.at,
        event=Event(row.event),
        request_id=row.request_id,
        session_id=row.session_id,
        visitor=row.visitor,
        outcome=UNKNOWN if is_unknown else row.outcome,
        upstream_status=row.upstream_status,
        duration_ms=row.duration_ms,
        text=row.text,
        detail=json.loads(row.detail),
    )


def _is_of_some(event: Event) -> ColumnElement[bool]:
    """The condition of an event, among the entries of one session or visitor.

    It compares no bare column, since SQLite might use the index of everyone's events in place of
    theirs.
    """
    return AUDIT.c.event.concat("") == event.value


def _searched_for(columns: Any, wanted: Filter) -> list[ColumnElement[bool]]:
    """The conditions that no index serves."""
    conditions: list[ColumnElement[bool]] = []
    if not wanted.keep_alives:
        failed = columns.outcome.not_in([OK, PENDING])
        conditions.append(or_(columns.event != Event.KEEP_ALIVE.value, failed))
    if wanted.text is not None:
        conditions.append(mentions(columns.text, wanted.text))
    if wanted.outcome == FAILED:
        conditions.append(columns.outcome.not_in([OK, PENDING]))
    elif wanted.outcome is not None:
        conditions.append(columns.outcome == wanted.outcome)
    return conditions


_AT_MOST: Final = 60.0
"""The most seconds by which the order of ids and of times may differ (see `MAX_LATE_SECONDS`).

So a range of times lies within a range of ids, and finding that costs little in a long record.
"""

_AT_ONCE: Final = 100
"""The most sessions that one SQL statement asks for."""
