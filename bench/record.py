"""The cost of the audit record: for a speaking visitor, and for queries on a million entries.

Run by `make bench FULL=1`. The entries are in a SQLite file. Each query runs several times, and its
shortest time counts, so that other load on the machine does not.
"""

import asyncio
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from statistics import median
from typing import Final

from sqlalchemy import Connection

from app.audit.model import Entry, Event
from app.audit.reader import AuditReader, Filter
from app.audit.writer import AuditWriter
from app.db.database import Database, open_database
from app.migrations import prepare
from app.sessions.store.usage import DAY_SECONDS, UsageReader

ENTRIES: Final = 1_000_000
VISITORS: Final = 2_000
SESSIONS: Final = 20_000
DAYS: Final = 90
LIMIT_MS: Final = 200
TIMES: Final = 5
ROWS_AT_ONCE: Final = 10_000
NOW: Final = 1_800_000_000.0
KALTURA_SECONDS: Final = 0.02
SAID: Final = Entry(at=NOW, event=Event.SAY_TEXT, text="Hello, I am an avatar.")
WORDS: Final = ("hello", "parcel", "avatar", "weather", "tomorrow", "welcome", "order", "ready")

Question = Callable[[], Awaitable[object]]


async def main(entries: int = ENTRIES) -> None:
    """Print the cost of an entry, the time of each query, and the memory of reading all entries."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "broker.db"
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(
                open_database(f"sqlite+aiosqlite:///{file}", prepare)
            )
            record = AuditWriter(
                database, required=True, monotonic=time.monotonic, clock=lambda: NOW
            )
            await stack.enter_async_context(record.running())
            await _compare_latency(record)
            await _commits(database, record)
            _fill(file, database.process_name, entries)
            print(f"{entries} entries: {file.stat().st_size / 1e6:.0f} MB")
            slowest = await _queries(database, record)
            await _memory(AuditReader(database, record))
    if slowest > LIMIT_MS:
        raise SystemExit(f"a question took {slowest:.0f} ms; at most {LIMIT_MS} are allowed")


async def _compare_latency(record: AuditWriter) -> None:
    """Compare the time of a call that Kaltura answers in 20 ms with and without its entry."""

    async def call(*, on_record: bool) -> float:
        started = time.perf_counter()
        line = record.begin(SAID) if on_record else None
        await asyncio.sleep(KALTURA_SECONDS)
        if line is not None:
            await record.durable(line)
        return time.perf_counter() - started

    took: dict[bool, list[float]] = {True: [], False: []}
    for n in range(200):
        took[n % 2 == 0].append(await call(on_record=n % 2 == 0))
    ratio = median(took[True]) / median(took[False])
    print(f"a calm visitor: {ratio:.2f} times as long with the record as without")


async def _commits(database: Database, record: AuditWriter) -> None:
    """Print how many entries share a commit, and how long a single entry waits for its own."""
    commits: list[int] = []
    write = database.write

    async def counted(work: Callable[[Connection], list[int | None]]) -> list[int | None]:
        ids: list[int | None] = await write(work)
        commits.append(len(ids))
        return ids

    database.write = counted  # type: ignore[method-assign,assignment] # only counts the entries
    alone = []
    for _ in range(50):
        started = time.perf_counter()
        await record.durable(record.begin(SAID))
        alone.append((time.perf_counter() - started) * 1000)
    commits.clear()

    async def speaker() -> None:
        for _ in range(100):
            await record.durable(record.begin(SAID))

    started = time.perf_counter()
    await asyncio.gather(*(speaker() for _ in range(64)))
    rate = sum(commits) / (time.perf_counter() - started)
    database.write = write  # type: ignore[method-assign] # restores the method
    print(f"one call alone: on disk in {median(alone):.1f} ms, while Kaltura works")
    print(
        f"64 callers: {rate:.0f} entries/s, {sum(commits) / len(commits):.0f} in a commit, "
        f"{max(commits)} at most"
    )


def _fill(file: Path, holder: str, entries: int) -> None:
    chance = random.Random(1)
    span = DAYS * DAY_SECONDS / entries
    events = [Event.SAY_TEXT] * 6 + [Event.KEEP_ALIVE] * 3 + [Event.INTERRUPT]
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for begin in range(0, entries, ROWS_AT_ONCE):
            rows = []
            for n in range(begin, min(begin + ROWS_AT_ONCE, entries)):
                session = n * SESSIONS // entries
                event = Event.ENDED if n % 50 == 0 else chance.choice(events)
                text = None
                if event is Event.SAY_TEXT:
                    text = " ".join(chance.choices(WORDS, k=12)) + f" number {n}"
                rows.append(
                    (
                        NOW - (entries - n) * span + chance.uniform(-2, 2),
                        *(event.value, f"request-{n}", f"session-{session}"),
                        *(f"visitor-{session % VISITORS}", "ok", 200, 40.0, text),
                        *('{"surface": "api", "turnId": "turn-1"}', holder),
                    )
                )
            connection.executemany(
                "INSERT INTO audit (at, event, request_id, session_id, visitor, outcome, "
                "upstream_status, duration_ms, text, detail, holder) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                rows,
            )
        connection.executemany(
            "INSERT INTO sessions (session_id, opened_at, holder, base_url, owner, expires_at, "
            "token_expires_at, last_moment, seen, ready, ended, ended_at, ended_upstream) "
            "VALUES (?, ?, ?, 'k', ?, ?, ?, 'expired', 1, 1, 'visitor', ?, 1)",
            [
                (f"s-{n}", at, holder, f"visitor-{n % VISITORS}", at + 900, at + 900, at + 600)
                for n in range(SESSIONS)
                for at in [NOW - n * 31 * DAY_SECONDS / SESSIONS - 600]
            ],
        )
        connection.commit()


async def _queries(database: Database, record: AuditWriter) -> float:
    """Print the shortest time of each query; returns the longest of them, in milliseconds."""
    audit_reader, usage = (
        AuditReader(database, record),
        UsageReader(database, base_url="k", clock=lambda: NOW),
    )
    yesterday, month = NOW - 2 * DAY_SECONDS, NOW - 60 * DAY_SECONDS

    def page(before: int | None = None, **wanted: object) -> Question:
        return lambda: audit_reader.page(Filter(**wanted), limit=100, before=before)  # type: ignore[arg-type] # fields of Filter

    questions: dict[str, Question] = {
        "the newest": page(),
        "the oldest": page(before=200),
        "of a session": page(session_id="session-7"),
        "of a visitor": page(visitor="visitor-7"),
        "of an event": page(event=Event.ENDED),
        "of an event that never was": page(event=Event.CREATE),
        "of a session and an event": page(session_id="session-7", event=Event.ENDED),
        "of a visitor and an event": page(visitor="visitor-7", event=Event.ENDED),
        "of a visitor and an event that never was": page(visitor="visitor-7", event=Event.CREATE),
        "of yesterday": page(since=yesterday, until=yesterday + DAY_SECONDS),
        "of a day two months ago": page(since=month, until=month + DAY_SECONDS),
        "of an event, two months ago": page(since=month, until=month + 3600, event=Event.ENDED),
        "since the beginning": page(since=0.0),
        "until now": page(until=NOW),
        "words that are in many": page(text="parcel"),
        "words that are in one": page(text="number 999999"),
        "words that are in none": page(text="nowhere to be found"),
        "words of a visitor": page(text="nowhere to be found", visitor="visitor-7"),
        "words of an event": page(text="nowhere to be found", event=Event.SAY_TEXT),
        "words, two months ago": page(text="nowhere", since=month, until=month + DAY_SECONDS),
        "the last words of 100 sessions": lambda: audit_reader.latest(
            [f"session-{n}" for n in range(0, 2000, 20)], Event.SAY_TEXT
        ),
        "usage by day": usage.by_day,
        "usage by visitor": usage.by_visitor,
    }
    slowest = 0.0
    for name, ask in questions.items():
        times = []
        for _ in range(TIMES):
            started = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - started) * 1000)
        took = min(times)
        slowest = max(slowest, took)
        print(f"{name:>42}: {took:6.1f} ms")
    return slowest


async def _memory(audit_reader: AuditReader) -> None:
    """Print the time and memory of reading every entry, a page at a time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, count = time.perf_counter(), 0
    async for _ in audit_reader.every(Filter()):
        count += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    seconds = time.perf_counter() - started
    print(f"read whole: {count} entries in {seconds:.0f} s, memory grew by {grown / 1024:.0f} MB")


if __name__ == "__main__":
    asyncio.run(main())
