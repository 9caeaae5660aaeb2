"""Several processes on one database: each has its own sessions, and those of the dead."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr

from app.db.database import open_database
from app.kaltura.client import SessionAccess
from app.migrations import prepare
from app.sessions.clock import SessionClock
from app.sessions.store.model import AvatarSession
from app.sessions.store.repository import SessionRepository
from tests.support.leaks import SOON, Brokers, Kaltura, Visitor
from tests.support.processes import kill, wait_until


def test_a_process_takes_the_sessions_of_another_over_when_that_is_killed_and_not_before(
    brokers: Brokers, kaltura: Kaltura, visitors: Iterator[Visitor]
) -> None:
    visitor, other = next(visitors), next(visitors)
    with brokers() as first:
        before = visitor.opens(first)
        with brokers() as second:
            since = other.opens(first)
            assert visitor.state(second, before).status_code == 404
            assert visitor.says(first, before).is_success
            kill(first.process)
            wait_until("it is taken over", lambda: visitor.watches(second, before), SOON)
            assert visitor.says(second, before).is_success
            assert other.says(second, since).is_success
            assert kaltura.open() == {before["sessionId"], since["sessionId"]}


async def test_of_two_that_look_at_once_only_one_takes_a_session(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'broker.db'}"
    keys = MultiFernet([Fernet(Fernet.generate_key())])
    now, clock = time.time(), SessionClock(time.time, time.monotonic)
    async with open_database(url, prepare) as dead:
        repository = SessionRepository(dead, keys, base_url="http://kaltura.test", clock=clock)
        await repository.save(_session(now))
    async with open_database(url, prepare) as one, open_database(url, prepare) as other:
        journals = [
            SessionRepository(database, keys, base_url="", clock=clock) for database in (one, other)
        ]
        found = await asyncio.gather(*(repository.take_over() for repository in journals))
    assert sum(len(sessions) for sessions in found) == 1


def _session(now: float) -> AvatarSession:
    return AvatarSession(
        access=SessionAccess("session-1", SecretStr("a-token")),
        owner="visitor-1",
        opened_at=now,
        expires_at=now + 900,
        token_expires_at=now + 900,
        seen_at=now,
        ready=True,
    )
