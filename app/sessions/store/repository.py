"""Stores sessions in the database, so that a next process knows them.

Sessions that were opened under another `AVATAR_BASE_URL` are taken over too, and ended there.
"""

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import structlog
from cryptography.fernet import InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Float,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)

from app.config.setting_types import MAX_SECONDS
from app.db.database import METADATA, Database, Rows
from app.kaltura.client import SessionAccess
from app.kaltura.contract import ClientInit
from app.problems import RecordUnavailable
from app.sessions.clock import SessionClock
from app.sessions.store.capacity_tables import OPENINGS
from app.sessions.store.model import (
    AvatarSession,
    EndReason,
    IdempotencyRecord,
    SessionsLost,
)
from app.sessions.store.recorded_speaks import Speaks, recorded_speaks

HISTORY_SECONDS: Final = 31 * 24 * 3600
"""Seconds for which ended sessions are kept in the database."""

END_REASON_SECONDS: Final = 3600
"""Seconds for which a next process tells pages why an earlier process ended their session."""

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    # Kaltura might use an id again, so the id alone does not identify a row.
    Column("session_id", String, primary_key=True),
    Column("opened_at", Float, primary_key=True),
    Column("holder", String, nullable=False),
    Column("base_url", String, nullable=False),
    Column("owner", String, nullable=False),
    # A keyed digest of the network address from which the session was opened.
    Column("address", String),
    Column("origin_key", String),
    Column("origin_wish", String),
    Column("expires_at", Float, nullable=False),
    Column("token_expires_at", Float, nullable=False),
    Column("last_moment", String, nullable=False),
    Column("seen", Boolean, nullable=False),
    Column("ready", Boolean, nullable=False),
    # The session's secrets (`_secrets_of`), encrypted; NULL once Kaltura has ended the session.
    Column("sealed", LargeBinary),
    # The utterances at a process that gave the session up, encrypted; NULL once it is over.
    Column("utterances", LargeBinary),
    Column("ended", String),
    Column("ended_at", Float),
    Column("ended_upstream", Boolean, nullable=False),
    Index("sessions_of_owner", "owner", "opened_at"),
    Index("sessions_of_origin", "origin_key"),
    Index("sessions_in_time", "opened_at"),
    Index("sessions_left_open", "ended_upstream", "holder"),
)

WAS_DELIVERED: Final = and_(
    SESSIONS.c.ready,
    func.coalesce(SESSIONS.c.ended, "") != EndReason.FAILED.value,
)
"""The condition for sessions that reached their pages: one that failed was ended before that."""

MAY_BE_DELIVERED: Final = or_(SESSIONS.c.ended.is_(None), WAS_DELIVERED)
"""The condition for sessions that reached their pages, or may still do so."""

log = structlog.get_logger(__name__)


class SessionRepository:
    """Writes sessions to the database, and reads those of processes that no longer run.

    Times in rows are those of the wall clock, times in `AvatarSession` those of `clock`.
    """

    def __init__(
        self, database: Database, keys: MultiFernet, *, base_url: str, clock: SessionClock
    ) -> None:
        self._database = database
        self._keys = keys
        self._base_url = base_url
        self._clock = clock
        self._offset = clock.offset

    @property
    def times_reopened(self) -> int:
        """The number of times the database file was found replaced, so that rows may be missing."""
        return self._database.file.times_reopened if self._database.file else 0

    async def _follow_clock(self) -> None:
        """Shift the times in this process's rows when the wall clock was set.

        The rows then still show how long each session has lasted and may last. Raises
        `RecordUnavailable`.
        """
        before, now = self._offset, self._clock.offset
        if before == now:
            return
        columns = (SESSIONS.c.opened_at, SESSIONS.c.expires_at, SESSIONS.c.ended_at)
        moved = {column: column + (now - before) for column in columns}

        def work(connection: Connection) -> None:
            own = SESSIONS.c.holder == self._database.process_name
            connection.execute(update(SESSIONS).where(own).values(moved))
            self._offset = now

        try:
            # Alone, as other transactions would write rows with the times from before.
            await self._database.write(work, alone=True)
        except RecordUnavailable:
            self._offset = before
            raise
        log.warning("the wall clock was set", seconds=now - before)

    def _row_of(self, session: AvatarSession) -> dict[str, Any]:
        """The database row of a session, with its secrets not yet encrypted."""
        return {
            "holder": self._database.process_name,
            "session_id": session.session_id,
            "opened_at": session.opened_at + self._offset,
            "base_url": session.access.base_url or self._base_url,
            "owner": session.owner,
            "address": session.address,
            "origin_key": session.origin and session.origin.key,
            "origin_wish": session.origin and session.origin.options,
            "expires_at": session.expires_at + self._offset,
            "token_expires_at": session.token_expires_at + self._offset,
            "last_moment": session.last_moment.value,
            "seen": session.seen_at is not None,
            "ready": session.ready,
            "sealed": None if session.ended_upstream else _secrets_of(session),
            "utterances": None if session.ended_upstream else session.utterances or None,
            "ended": session.ended and session.ended.value,
            "ended_at": session.ended_at and session.ended_at + self._offset,
            "ended_upstream": session.ended_upstream,
        }

    async def save(self, *sessions: AvatarSession) -> None:
        """Write sessions to disk in one transaction; raises `RecordUnavailable`.

        Among replicas it raises `SessionsLost`, when it has written the others.
        """
        holder = self._database.process_name

        def work(connection: Connection) -> set[str]:
            lost = self._upsert(connection, [self._row_for(each, holder) for each in sessions])
            openings = [
                each.opening_id
                for each in sessions
                if each.opening_id is not None and each.session_id not in lost
            ]
            if openings:
                connection.execute(delete(OPENINGS).where(OPENINGS.c.opening_id.in_(openings)))
            return lost

        # With keys the writes of one session are in order, and its latest state comes last.
        keys = [each.session_id for each in sessions]
        if lost := await self._database.write(work, keys=keys):
            raise SessionsLost(lost)

    def _row_for(self, session: AvatarSession, holder: str) -> dict[str, Any]:
        """The row of a session, with its secrets encrypted."""
        row = self._row_of(session) | {"holder": holder}
        for column in ("sealed", "utterances"):
            if row[column] is not None:
                row[column] = self._keys.encrypt(row[column])
        return row

    @functools.cached_property
    def _upsert_statement(self) -> Executable:
        """Inserts or replaces whole rows; to make the statement costs more than to run it."""
        statement = self._database.insert(SESSIONS)
        return statement.on_conflict_do_update(
            index_elements=[SESSIONS.c.session_id, SESSIONS.c.opened_at],
            set_={column.name: column for column in statement.excluded},
        )

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> set[str]:
        """Write rows; the result is the ids of sessions that another process has: none, here."""
        connection.execute(self._upsert_statement, rows)
        return set()

    async def leave(self, session: AvatarSession) -> None:
        """Do nothing: without replicas a session is not lost to another process."""

    async def has_peers(self) -> bool:
        """False: without replicas no other process takes sessions now."""
        return False

    async def give_up(self, session: AvatarSession) -> None:
        """Do nothing: no other process takes sessions now."""

    async def opened_elsewhere(self, origin_key: str) -> AvatarSession | None:  # noqa: ARG002 - there is no other process
        """None: without replicas no other process opens sessions."""
        return None

    async def owner_elsewhere(self, origin_key: str) -> str | None:  # noqa: ARG002 - there is no other process
        """None: without replicas no other process opens sessions."""
        return None

    async def take_over(self) -> list[AvatarSession]:
        """Take over the sessions of processes that no longer run; raises `RecordUnavailable`.

        The result includes sessions that ended recently, so that their pages can show the reason.
        """
        await self._follow_clock()
        rows, speaks = await self._taken_over()
        return list(self._readable(sorted(rows, key=lambda row: row.opened_at), speaks))

    async def _taken_over(self) -> tuple[Rows, Speaks]:
        """Rows of sessions whose process no longer runs; they have this process's name by now.

        The speaks are read in the same transaction: a session can't be taken over without them.
        """
        left = or_(SESSIONS.c.ended_upstream.is_(False), self._has_ended_lately())
        other = SESSIONS.c.holder != self._database.process_name
        await self._database.acquire_process_lock()
        holders = await self._database.read(select(SESSIONS.c.holder).where(left, other).distinct())
        dead = [
            row.holder for row in holders if not await self._database.is_process_running(row.holder)
        ]
        if not dead:
            return [], {}

        def work(connection: Connection) -> tuple[Rows, Speaks]:
            # One statement, so that of two processes that find the same dead process, each row
            # goes to one.
            rows = connection.execute(
                update(SESSIONS)
                .where(left, SESSIONS.c.holder.in_(dead))
                .values(holder=self._database.process_name)
                .returning(SESSIONS)
            ).all()
            return rows, recorded_speaks(connection, rows)

        return await self._database.write(work)

    def _has_ended_lately(self) -> ColumnElement[bool]:
        """The condition for sessions whose pages may still ask why they ended."""
        ended_after = self._clock.wall() - END_REASON_SECONDS
        return and_(SESSIONS.c.ended_at > ended_after, SESSIONS.c.ready.is_(True))

    async def forget_old(self) -> None:
        """Delete sessions older than `HISTORY_SECONDS`; raises `RecordUnavailable`."""
        oldest = self._clock.wall() - HISTORY_SECONDS
        await self._write(delete(SESSIONS).where(SESSIONS.c.opened_at < oldest))

    async def seconds_used(self, since: float, owner: str | None = None) -> float:
        """Seconds for which sessions at this `AVATAR_BASE_URL` were open since a time.

        Sessions at other addresses are not counted: an emulator's minutes cost nothing.
        """
        await self._follow_clock()
        since, now = since + self._offset, self._clock() + self._offset
        begin = case((SESSIONS.c.opened_at < since, since), else_=SESSIONS.c.opened_at)
        used = was_open_until(now) - begin
        query = select(func.sum(case((used > 0, used), else_=0.0))).where(
            SESSIONS.c.base_url == self._base_url,
            # No session lasts longer than the settings allow; this condition lets the index be
            # used.
            SESSIONS.c.opened_at > since - MAX_SECONDS,
        )
        if owner is not None:
            query = query.where(SESSIONS.c.owner == owner)
        [row] = await self._database.read(query)
        return float(row[0] or 0.0)

    async def _write(self, statement: Executable) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(work)

    def _readable(
        self, rows: Iterable[Row[Any]], speaks: Speaks | None = None
    ) -> Iterator[AvatarSession]:
        for row in rows:
            try:
                session = self._session_of(row)
                yield session._replace(speaks=(speaks or {}).get(row.session_id, ()))
            except (InvalidToken, ValueError, KeyError, TypeError) as error:
                log.error(  # noqa: TRY400 - a traceback would quote the row
                    "a session of an earlier process can't be ended: SECRET_KEY is not the one it "
                    "had, or another version wrote it down",
                    session_id=row.session_id,
                    error=type(error).__name__,
                )

    def _session_of(self, row: Row[Any]) -> AvatarSession:
        token, media, ended, utterances = SecretStr(""), None, row.ended, b""
        ended_at = row.ended_at and row.ended_at - self._offset
        if not row.ready and ended is None:
            # The process ended while it was opening the session, which nobody has got.
            ended, ended_at = EndReason.FAILED, self._clock()
        if not row.ended_upstream:
            secrets = self._decrypted_secrets(row)
            token = SecretStr(secrets["token"])
            media = secrets["media"] and ClientInit.model_validate(secrets["media"])
            utterances = self._keys.decrypt(row.utterances) if row.utterances else b""
        elsewhere = None if row.base_url == self._base_url else row.base_url
        return AvatarSession(
            access=SessionAccess(row.session_id, token, elsewhere),
            owner=row.owner,
            address=row.address,
            opened_at=row.opened_at - self._offset,
            expires_at=row.expires_at - self._offset,
            token_expires_at=row.token_expires_at - self._offset,
            # A page that watches the session has the full idle time to call again.
            seen_at=self._clock.running() if row.seen else None,
            ready=row.ready,
            last_moment=EndReason(row.last_moment),
            origin=row.origin_key and IdempotencyRecord(row.origin_key, row.origin_wish),
            delivered=row.ready and row.ended != EndReason.FAILED.value,
            media=media,
            utterances=utterances,
            ended=ended and EndReason(ended),
            ended_at=ended_at,
            ended_upstream=row.ended_upstream,
        )

    def _decrypted_secrets(self, row: Row[Any]) -> dict[str, Any]:
        """Decrypt a row's secrets; the id inside shows that they belong to this row."""
        secrets: dict[str, Any] = json.loads(self._keys.decrypt(row.sealed))
        if secrets["id"] != row.session_id:
            raise ValueError("the secrets of another row")
        return secrets


def was_open_until(now: float) -> Any:
    """SQL expression for the time at which a session was over; `now` for one that is still open."""
    ended = func.coalesce(SESSIONS.c.ended_at, now)
    limit = case((SESSIONS.c.expires_at < now, SESSIONS.c.expires_at), else_=now)
    return case((ended < limit, ended), else_=limit)


def _secrets_of(session: AvatarSession) -> bytes:
    """The session's token and media as JSON, with the session's id."""
    media = session.media and session.media.model_dump(mode="json")
    token = session.access.token.get_secret_value()
    return json.dumps({"id": session.session_id, "token": token, "media": media}).encode()
