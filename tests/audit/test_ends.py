"""Two processes may both see a session end, as when one takes over what the other had begun."""

from contextlib import AsyncExitStack

from pydantic import SecretStr

from app.audit.reader import AuditReader, Filter
from app.audit.redaction import TextRedaction
from app.audit.writer import AuditWriter
from app.db.database import open_database
from app.kaltura.client import SessionAccess
from app.migrations import prepare
from app.sessions.auditing import SessionAuditor
from app.sessions.store.model import AvatarSession
from tests.support.doubles import FakeClock


async def test_an_end_that_two_processes_tell_is_on_record_once(
    database_url: str, clock: FakeClock
) -> None:
    session = AvatarSession(
        access=SessionAccess("session-1", SecretStr("jwt")),
        owner="visitor-1",
        opened_at=clock.now - 60,
        expires_at=clock.now + 600,
        token_expires_at=clock.now + 3600,
        seen_at=clock.now,
        ready=True,
    )
    given_anew = session._replace(opened_at=clock.now)
    async with AsyncExitStack() as stack:
        for told in ([session], [session, given_anew]):
            database = await stack.enter_async_context(open_database(database_url, prepare))
            record = AuditWriter(database, required=True, monotonic=clock, clock=clock)
            await stack.enter_async_context(record.running())
            for ended in told:
                SessionAuditor(record, TextRedaction("full", b"key"), clock, clock).ended(ended)
            await record.flush()
        page = await AuditReader(database, record).page(Filter(), limit=10)
    assert [found.entry.detail["seconds"] for found in page.found] == [0.0, 60.0]
