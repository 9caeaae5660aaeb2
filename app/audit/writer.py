"""The writer of the audit record: many entries a commit, each on disk before its call is answered.

An entry is written as pending while its call is on the way to Kaltura, so the write costs the
visitor no time. The outcome is added by a later commit, which no call waits for.

When a commit fails, the calls under way may have been carried out: they are answered with
`record-unavailable`, and their entries stay in memory until they can be written. From then on, and
as soon as a commit takes long, a call is sent only after its entry is on disk, until a commit
succeeds again: a call that can't be recorded is not made, unless it keeps a session alive, silences
or ends it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import structlog
from sqlalchemy import Connection

from app.audit.model import Entry, Event
from app.audit.schema import Change, write
from app.db.database import RETRY_AFTER_SECONDS, Database
from app.problems import RecordUnavailable

MAX_BATCH: Final = 500
"""The most entries in one commit."""

MAX_QUEUED: Final = 10_000
"""The most entries that wait to be written, about 10 MB; each call has one."""

MAX_QUEUED_WHILE_FAILING: Final = MAX_QUEUED // 2
"""The most entries that wait when another keep-alive or interrupt may wait too.

In a long outage these are many, and must leave room to the entries of what was opened and ended.
"""

MAX_LATE_SECONDS: Final = 45.0
"""An entry that is written later than this gets the time of its writing, and tells the delay.

Times are found by ids, which come in the order of commits, so the two orders must nearly agree.
"""

LATE_SECONDS: Final = 0.25
"""A commit that takes longer may fail, so calls are recorded before they are sent."""

GATHER_SECONDS: Final = 0.01
"""How long entries are gathered for one commit while several calls are under way.

It is less than Kaltura takes, so it delays no answer, and saves 6% of a speak's processor time at
32 connections. A lone call's entry is written at once.
"""

ROUTINE_GATHER_SECONDS: Final = 0.05
"""How long keep-alives are gathered: there are many, and nobody waits for their answers.

The outcome of most is known by then, so that one write has it all. It saves a quarter of the
processor time of keep-alives at 1,000 a second.
"""

RETRY_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class PendingEntry:
    """One entry on its way to the disk.

    With `must_persist` it tells of something that has happened, and is kept until it can be
    written. With `bypass_limits` no call is refused or held up on its account.
    """

    entry: Entry
    must_persist: bool
    bypass_limits: bool
    written: asyncio.Future[None]
    row_id: int | None = None
    is_queued: bool = False


class AuditWriter:
    """Takes entries and writes them while the block of `running` lasts.

    With `required`, a call whose entry can't be written is refused.
    """

    def __init__(
        self,
        database: Database,
        *,
        required: bool,
        monotonic: Callable[[], float],
        clock: Callable[[], float],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._required = required
        self._monotonic = monotonic
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._queue: deque[PendingEntry] = deque()
        self._wanted = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False
        self._tried = asyncio.Event()
        self._queued = 0
        self._settled = 0
        self._failing = False
        self._lost = 0
        self._since: float | None = None

    @property
    def waiting(self) -> int:
        """The number of entries that are not written yet."""
        return len(self._queue)

    @property
    def lost(self) -> int:
        """The number of entries that were given up because too many others waited."""
        return self._lost

    @property
    def lag_seconds(self) -> float:
        """How long the commit under way has taken so far, in seconds; 0 when there is none."""
        return 0.0 if self._since is None else self._monotonic() - self._since

    @property
    def is_doubtful(self) -> bool:
        """Whether an entry that is begun now might not be written."""
        late = self._since is not None and self._monotonic() - self._since > LATE_SECONDS
        return self._failing or late or len(self._queue) >= MAX_QUEUED

    def begin(
        self, entry: Entry, *, must_persist: bool = False, bypass_limits: bool = False
    ) -> PendingEntry:
        """Queue an entry to be written."""
        fact = must_persist or not self._required
        pending = PendingEntry(
            entry, fact, bypass_limits, asyncio.get_running_loop().create_future()
        )
        is_one_of_many = self._failing and entry.event in (Event.KEEP_ALIVE, Event.INTERRUPT)
        room = MAX_QUEUED_WHILE_FAILING if is_one_of_many else MAX_QUEUED
        if len(self._queue) < room:
            self._enqueue(pending)
        else:
            _fail(pending)
            self._lose(pending)
        return pending

    def note(self, pending: PendingEntry, **changes: Any) -> None:
        """Change fields of an entry, such as its outcome, whether or not it is written yet."""
        pending.entry = pending.entry._replace(**changes)
        if pending.row_id is not None and not pending.is_queued:
            self._enqueue(pending)

    async def durable(self, pending: PendingEntry) -> None:
        """Return when the entry is on disk; raises `RecordUnavailable` when it can't be written.

        Never raises for an entry with `bypass_limits`, or where the record is not required: then
        it waits `LATE_SECONDS` at most.
        """
        if self._required and not pending.bypass_limits:
            await asyncio.shield(pending.written)
        elif not (pending.written.done() or self.is_doubtful):
            await asyncio.wait({pending.written}, timeout=LATE_SECONDS)

    async def flush(self) -> None:
        """Wait until every entry and change queued so far is on disk, or can't be written."""
        for _ in range(2):  # changes made during a commit are in the next one
            told = self._queued
            while self._settled < told and not self._failing:
                self._wanted.set()
                await self._tried.wait()

    async def next_commit(self) -> None:
        """Wait until another commit has been made."""
        settled = self._settled
        while self._settled == settled:
            await self._tried.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write entries while the block lasts, and try to write the rest at its end."""
        writing = asyncio.create_task(self._run())
        try:
            yield
        finally:
            if self._failing and self._queue:
                self._wanted.set()
                await self._tried.wait()
            await self.flush()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            if self._queue:
                log.error("entries of the record are lost", count=len(self._queue))

    async def _run(self) -> NoReturn:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_seconds if self._queue else None):
                    await self._wanted.wait()
            self._wanted.clear()
            if self._queue:
                await self._write_some()

    async def _write_some(self) -> None:
        """Write one batch."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = [self._queue[n] for n in range(min(len(self._queue), MAX_BATCH))]
        for pending in batch:
            self._date(pending)
        changes = [Change(pending.entry, pending.row_id) for pending in batch]

        def work(connection: Connection) -> list[int | None]:
            return write(connection, self._database.process_name, changes)

        self._since = self._monotonic()
        try:
            ids = await self._database.write(work)
        except RecordUnavailable:
            self._has_failed()
            return
        except Exception:
            log.exception("entries of the record are lost")
            ids = [None] * len(batch)
        finally:
            self._since = None
            self._turn_over()
        self._has_succeeded(batch, changes, ids)

    def _has_succeeded(
        self, batch: list[PendingEntry], changes: list[Change], ids: list[int | None]
    ) -> None:
        if self._failing:
            log.warning("the record can be written again", kept=len(self._queue))
            self._failing = False
        self._settled += len(batch)
        self._is_busy = sum(change.row_id is None for change in changes) > 1
        if len(batch) == MAX_BATCH:  # there may be more
            self._wanted.set()
        for pending, change, row_id in zip(batch, changes, ids, strict=True):
            self._queue.popleft()
            pending.is_queued = False
            pending.row_id = pending.row_id or row_id
            if pending.entry is not change.entry:
                self._enqueue(pending)  # it was changed while it was being written
            if not pending.written.done():
                pending.written.set_result(None)

    def _has_failed(self) -> None:
        """Fail the calls that wait, and keep the entries that must persist."""
        if not self._failing:
            log.error("the record can't be written", waiting=len(self._queue))
            self._failing = True
        kept = deque(pending for pending in self._queue if pending.must_persist)
        self._settled += len(self._queue) - len(kept)
        for pending in self._queue:
            _fail(pending)
        self._queue = kept

    def _date(self, pending: PendingEntry) -> None:
        now = self._clock()
        late = now - pending.entry.at
        if pending.row_id is None and late > MAX_LATE_SECONDS:
            detail = pending.entry.detail | {"lateSeconds": round(late, 1)}
            pending.entry = pending.entry._replace(at=now, detail=detail)

    def _enqueue(self, pending: PendingEntry) -> None:
        pending.is_queued = True
        self._queue.append(pending)
        self._queued += 1
        if not self._is_busy:
            self._wanted.set()
        elif pending.entry.event is Event.KEEP_ALIVE:
            self._write_within(ROUTINE_GATHER_SECONDS)
        else:
            self._write_within(GATHER_SECONDS)

    def _write_within(self, seconds: float) -> None:
        """Have a batch written after so many seconds, unless one is to be written sooner."""
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._wanted.set)

    def _lose(self, pending: PendingEntry) -> None:
        if pending.must_persist:
            self._lost += 1
            if self._lost == 1:
                log.error("the record has no room for more: entries are lost")

    def _turn_over(self) -> None:
        """Wake the tasks that wait for a commit."""
        self._tried.set()
        self._tried = asyncio.Event()


def _fail(pending: PendingEntry) -> None:
    if not pending.written.done():
        pending.written.set_exception(RecordUnavailable(retry_after=RETRY_AFTER_SECONDS))
        pending.written.exception()  # asyncio warns of an exception that no task has looked at
