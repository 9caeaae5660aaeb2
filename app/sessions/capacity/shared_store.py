"""The state of capacity of several processes, in Postgres."""

import asyncio
import contextlib
import functools
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)

from app.db.database import Database
from app.problems import Problem, RecordUnavailable
from app.replicas.lease import LINE_CHANGED
from app.replicas.statements import DATABASE_TIME, notify
from app.sessions.capacity.state import CapacityState, KalturaLimit, Requester, Result
from app.sessions.capacity.waiting_room import Ticket, WaitingRoom
from app.sessions.store.capacity_tables import CAPACITY, LINE, OPENINGS
from app.sessions.store.repository import MAY_BE_DELIVERED, SESSIONS

_ROW: Final = 1
"""The id of the only row of the table `capacity`."""

MOST_AT_ONCE: Final = 50
"""The most rules that one transaction applies, so that other processes need not wait long."""

REST: Final = 4.0
"""The pause after a read of the line, in times of its length: reads take a fifth of all time."""

_TICKETS: Final = select(
    *(LINE.c.nonce, LINE.c.ticket_key, LINE.c.owner, LINE.c.address),
    *(LINE.c.last_seen_at, LINE.c.called_at, LINE.c.came_back),
).order_by(LINE.c.came_back.desc(), LINE.c.seq)
"""The line; the columns after the nonce are in the order of the fields of `Ticket`."""

_UPDATE: Final = text("""
    UPDATE line
    SET address = new.address, last_seen_at = new.last_seen_at, called_at = new.called_at
    FROM unnest(
        CAST(:nonce AS text[]), CAST(:address AS text[]),
        CAST(:last_seen_at AS float8[]), CAST(:called_at AS float8[])
    ) AS new(nonce, address, last_seen_at, called_at)
    WHERE line.nonce = new.nonce
""")
"""Writes the changed columns of any number of tickets."""

_NONCE_BYTES: Final = 18
_NONCE_LENGTH: Final = _NONCE_BYTES * 4 // 3


@dataclass(frozen=True)
class _Asked:
    """A rule that is to be applied, and the future of its result or its problem."""

    rule: Callable[[CapacityState], Any]
    outcome: asyncio.Future[Any]

    def tell(self, outcome: Any) -> None:
        """Tell the caller, who may be gone."""
        if self.outcome.done():
            return
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class SharedCapacityStore:
    """Changes the state in one transaction, which locks it against every other process.

    Changes that are asked for during a transaction are made together by the next one: with one
    lock, one read of the line and one write.

    `now` is the time by which every process counts. `opening_seconds` is how long Kaltura may take
    to open a session. After that time the place of a process that died is free again.
    """

    def __init__(
        self,
        database: Database,
        *,
        base_url: str,
        max_waiting: int,
        ticket_key: bytes,
        opening_seconds: float,
        now: ColumnElement[float] = DATABASE_TIME,
    ) -> None:
        self.database = database
        self.base_url = base_url
        self.max_waiting = max_waiting
        self.opening_seconds = opening_seconds
        self.now = now
        self.rest = REST
        self._ticket_key = ticket_key
        self._asked: list[_Asked] = []
        self._changing: asyncio.Task[None] | None = None

    async def read(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule that changes nothing, without a lock; raises `RecordUnavailable`."""

        def work(connection: Connection) -> Result:
            row = connection.execute(select(CAPACITY)).one_or_none()
            return rule(SharedCapacity(self, connection, row))

        return await self.database.read_with(work)

    async def change(self, rule: Callable[[CapacityState], Result]) -> Result:
        """Apply a rule in a transaction; raises its problem, and `RecordUnavailable`."""
        asked = _Asked(rule, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._changing is None or self._changing.done():
            self._changing = asyncio.create_task(self._change_all())
        result: Result = await asked.outcome
        return result

    async def _change_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:MOST_AT_ONCE], self._asked[MOST_AT_ONCE:]
            try:
                outcomes = await self.database.write(functools.partial(self._apply, asked))
            except Exception as error:  # noqa: BLE001 - each caller is told
                outcomes = [error] * len(asked)
            for each, outcome in zip(asked, outcomes, strict=True):
                each.tell(outcome)

    def _apply(self, asked: Sequence[_Asked], connection: Connection) -> list[Any]:
        """The result of each rule, or the problem that it raises, which rolls nothing back."""
        state = SharedCapacity(self, connection, self._locked_row(connection))
        outcomes = []
        for each in asked:
            try:
                outcomes.append(each.rule(state))
            except Problem as problem:
                outcomes.append(problem)
        state.save()
        return outcomes

    def _locked_row(self, connection: Connection) -> Row[Any]:
        lock = select(CAPACITY).with_for_update()
        row = connection.execute(lock).one_or_none()
        if row is None:
            first = self.database.insert(CAPACITY).values(id=_ROW, version=0)
            connection.execute(first.on_conflict_do_nothing())
            row = connection.execute(lock).one()
        return row

    def new_ticket_id(self) -> str:
        """A new ticket id, which its row does not reveal: a nonce and its keyed digest."""
        return self.ticket_id(secrets.token_urlsafe(_NONCE_BYTES))

    def ticket_id(self, nonce: str) -> str:
        """The id of the ticket with this nonce."""
        code = hmac.digest(self._ticket_key, nonce.encode(), hashlib.sha256)[:_NONCE_BYTES]
        return nonce + urlsafe_b64encode(code).decode()


class SharedCapacity:
    """The state of capacity in one transaction; `row` is None before there was any change."""

    def __init__(
        self, store: SharedCapacityStore, connection: Connection, row: Row[Any] | None
    ) -> None:
        self._store = store
        self._connection = connection
        self.version: int = 0 if row is None else row.version
        self.kaltura_limit: KalturaLimit | None = None
        if row is not None and row.kaltura_sessions is not None:
            self.kaltura_limit = KalturaLimit(row.kaltura_sessions, row.kaltura_until)
        self._limit_before = self.kaltura_limit
        # Read after the lock, where it is taken, so that no earlier transaction is at work any
        # more; and by one statement, as sessions end meanwhile: by two, a place would be free for
        # an address and not for all, and a turn be taken back.
        found = connection.execute(self._taken()).all()
        self.now: float = found[0].now
        self.sessions: int = sum(each.taken for each in found if each.is_session)
        self._taken_at: Counter[str | None] = Counter()
        for each in found:
            self._taken_at[each.address] += each.taken or 0
        tickets = connection.execute(_TICKETS)
        line = [Ticket(store.ticket_id(nonce), *fields) for nonce, *fields in tickets]
        self._line_before = {ticket: _columns(ticket) for ticket in line}
        self.waiting_room = WaitingRoom(
            size=store.max_waiting,
            clock=lambda: self.now,
            line=line,
            new_ticket_id=store.new_ticket_id,
        )

    @property
    def places(self) -> int:
        """The number of places taken."""
        return self._taken_at.total()

    def places_at(self, address: str | None) -> int:
        """The number of places taken by the visitors of an address."""
        return self._taken_at[address]

    def places_of(self, owner: str) -> int:
        """The number of places taken by an owner, without sessions that have ended here."""
        return self._sum(
            self._count(
                SESSIONS, self._is_open(), SESSIONS.c.owner == owner, SESSIONS.c.ended.is_(None)
            ),
            self._count(OPENINGS, self._is_alive(), OPENINGS.c.owner == owner),
        )

    def is_opened_elsewhere(self, origin_key: str) -> bool:
        """Whether another process opens or has opened a session for the request with this key."""
        opened = exists().where(
            SESSIONS.c.origin_key == origin_key,
            SESSIONS.c.holder != self._store.database.process_name,
            MAY_BE_DELIVERED,
        )
        opening = exists().where(OPENINGS.c.origin_key == origin_key, self._is_alive())
        return bool(self._connection.scalar(select(or_(opened, opening))))

    def reserve(self, requester: Requester) -> "SharedReservation":
        """Take a place."""
        opening_id = secrets.token_hex(8)
        # Openings that have expired: their keys may be used again.
        self._connection.execute(delete(OPENINGS).where(~self._is_alive()))
        self._connection.execute(
            insert(OPENINGS).values(
                opening_id=opening_id,
                origin_key=requester.origin_key,
                owner=requester.owner,
                address=requester.address,
                expires_at=self.now + self._store.opening_seconds,
            )
        )
        self._taken_at[requester.address] += 1
        return SharedReservation(self._store.database, requester, opening_id)

    def save(self) -> None:
        """Write the changes of the rule."""
        changed = self._save_line()
        if self.kaltura_limit is not self._limit_before or changed:
            limit = self.kaltura_limit
            if changed:
                notify(self._connection, LINE_CHANGED)
            self.version += changed
            self._connection.execute(
                update(CAPACITY).values(
                    version=self.version,
                    kaltura_sessions=limit and limit.sessions,
                    kaltura_until=limit and limit.until,
                )
            )

    def _save_line(self) -> bool:
        """Write the tickets that changed; returns whether anyone's turn or position did."""
        before, changed = self._line_before, False
        now = {ticket: _columns(ticket) for ticket in self.waiting_room.tickets}
        gone = [_nonce(ticket) for ticket in before if ticket not in now]
        if gone:
            self._connection.execute(delete(LINE).where(LINE.c.nonce.in_(gone)))
        updates = []
        for ticket, columns in now.items():
            known = before.get(ticket)
            if known is None:
                self._connection.execute(
                    insert(LINE).values(
                        nonce=_nonce(ticket),
                        ticket_key=ticket.key,
                        owner=ticket.owner,
                        came_back=ticket.came_back,
                        **columns,
                    )
                )
            elif columns != known:
                updates.append({"nonce": _nonce(ticket), **columns})
            changed |= known is None or known["called_at"] != columns["called_at"]
        if updates:
            names = updates[0].keys()
            self._connection.execute(_UPDATE, {name: [u[name] for u in updates] for name in names})
        return changed or bool(gone)

    def _is_alive(self) -> ColumnElement[bool]:
        return OPENINGS.c.expires_at > self._store.now

    def _is_open(self) -> ColumnElement[bool]:
        here = SESSIONS.c.base_url == self._store.base_url
        return SESSIONS.c.ended_upstream.is_(False) & here

    def _taken(self) -> Select[Any]:
        """The time, and the places taken by sessions and openings of each address."""

        def by_address(table: Table, is_taken: ColumnElement[bool]) -> Select[Any]:
            address, is_session = table.c.address, literal(table is SESSIONS).label("is_session")
            taken = func.count().label("taken")
            return select(address, is_session, taken).where(is_taken).group_by(address)

        of_sessions = by_address(SESSIONS, self._is_open())
        places = union_all(of_sessions, by_address(OPENINGS, self._is_alive())).subquery()
        once = select(literal(1)).subquery()  # the time, also when no place is taken
        return select(self._store.now.label("now"), places).select_from(
            once.outerjoin(places, true())
        )

    @staticmethod
    def _count(table: Any, *conditions: ColumnElement[bool]) -> Any:
        return select(func.count()).select_from(table).where(*conditions).scalar_subquery()

    def _sum(self, *counts: Any) -> int:
        return sum(self._connection.execute(select(*counts)).one())


class SharedReservation:
    """A place that is taken until a session's row takes it over, or the time is up."""

    def __init__(self, database: Database, requester: Requester, opening_id: str) -> None:
        self._database = database
        self.requester = requester
        self.opening_id = opening_id

    def fulfil(self) -> None:
        """Do nothing: the transaction that writes the session deletes the opening."""

    async def release(self) -> None:
        """Give the place back; when the database can't be written, the place lapses in time."""
        await self._write(delete(OPENINGS).where(OPENINGS.c.opening_id == self.opening_id))

    async def disown(self) -> None:
        """Keep the place, and no longer count it for its owner."""
        own = OPENINGS.c.opening_id == self.opening_id
        await self._write(update(OPENINGS).where(own).values(owner=None, origin_key=None))

    async def _write(self, statement: Any) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        with contextlib.suppress(RecordUnavailable):
            await self._database.write(work)


def _nonce(ticket: Ticket) -> str:
    return ticket.ticket_id[:_NONCE_LENGTH]


def _columns(ticket: Ticket) -> dict[str, Any]:
    """The columns that change while a ticket is in line."""
    return {
        "address": ticket.address,
        "last_seen_at": ticket.last_seen_at,
        "called_at": ticket.called_at,
    }
