"""The bodies of the operator's API, in camelCase on the wire."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import Field, RootModel, SecretStr

from app.audit.model import Entry, Event
from app.audit.reader import Page, StoredEntry
from app.sessions.stats import Stats
from app.sessions.store.overview import KnownReplica, OpenSession
from app.sessions.store.usage import UsageTotals
from app.web.operator.replica_stats import ReplicaStats
from app.web.visitor.schemas import ApiModel, moment


class AuditEvent(ApiModel):
    """One entry of the audit record."""

    at: datetime
    request_id: str | None = Field(description="The `X-Request-ID` of the call; null: the broker")
    event: Event
    session_id: str | None
    visitor: str | None = Field(description="Who they are: an id, or service:name")
    outcome: str = Field(
        description="ok, the name of a problem, pending, or unknown if its process was killed"
    )
    upstream_status: int | None = Field(description="What Kaltura answered; null: it was not asked")
    duration_ms: float | None
    detail: dict[str, Any] = Field(description="More, by the kind of event: the text, the reason")

    @classmethod
    def of(cls, found: StoredEntry) -> Self:
        """The API's form of a stored entry."""
        entry = found.entry
        return cls(
            at=moment(entry.at),
            request_id=entry.request_id,
            event=entry.event,
            session_id=entry.session_id,
            visitor=entry.visitor,
            outcome=entry.outcome,
            upstream_status=entry.upstream_status,
            duration_ms=entry.duration_ms,
            detail=({} if entry.text is None else {"text": entry.text}) | entry.detail,
        )


class AuditAdded(ApiModel):
    """An event with a new entry of the audit record."""

    event: Literal["audit"]
    id: str = Field(description="What `Last-Event-ID` goes on after")
    data: AuditEvent


class AuditPage(ApiModel):
    """A page of the audit record, newest first."""

    events: list[AuditEvent]
    cursor: str | None = Field(description="Leads to what is older; null at the end")

    @classmethod
    def of(cls, page: Page) -> Self:
        """The API's form of a page."""
        events = [AuditEvent.of(found) for found in page.found]
        return cls(events=events, cursor=None if page.older is None else str(page.older))


class LiveSession(ApiModel):
    """An open session."""

    session_id: str
    visitor: str
    avatar_id: str | None
    voice_id: str | None
    opened_at: datetime
    expires_at: datetime
    seconds_left: int
    watched: bool = Field(description="Whether a page has it on show, as far as is known")
    state: Literal["live"] = "live"
    last_words: str | None = Field(description="The last text; null also when none is kept")

    replica: str | None = Field(description="The name of the replica that has it; null with SQLite")

    @classmethod
    def told(
        cls,
        session: OpenSession,
        *,
        opened: Entry | None,
        said: Entry | None,
        seconds_left: float,
        stats: ReplicaStats,
    ) -> Self:
        """The state of a session, from its audit entries and the stats of its replica."""
        asked_for = opened.detail if opened else {}
        return cls(
            session_id=session.session_id,
            visitor=session.owner,
            avatar_id=asked_for.get("avatarId"),
            voice_id=asked_for.get("voiceId"),
            opened_at=moment(session.opened_at),
            expires_at=moment(session.expires_at),
            seconds_left=int(seconds_left),
            watched=session.session_id not in stats.unwatched,
            last_words=said.text if said else None,
            replica=session.holder,
        )


class LiveSessionList(ApiModel):
    """The open sessions."""

    at: datetime = Field(description="When they were, by the broker's clock")
    sessions: list[LiveSession]

    @classmethod
    def told(cls, sessions: list[LiveSession], *, now: float) -> Self:
        """The sessions at `now`."""
        return cls(at=moment(now), sessions=sessions)

    def but_for_clocks(self) -> str:
        """The list as JSON, without the fields that change with time alone."""
        clocks: Any = {"at": True, "sessions": {"__all__": {"seconds_left"}}}
        return self.model_dump_json(exclude=clocks)


class OperationHealth(ApiModel):
    """How Kaltura has answered one operation in the last fifteen minutes."""

    operation: str
    calls: int
    failed: int
    median_ms: float
    p95_ms: float = Field(description="95 of 100 answers came within this time")


class ReplicaHealth(ApiModel):
    """A replica: a broker process that shares its Postgres with others."""

    name: str = Field(description="Its random name, new at each start")
    url: str = Field(description="Where other replicas reach it")
    version: str
    state: str = Field(
        description="up; draining: it takes no more sessions; suspended: it has not renewed its "
        "lease in time, so it opens and says nothing; dead: others have taken its sessions over"
    )
    lease_age_seconds: float = Field(description="Since it renewed its lease")
    live: int = Field(description="Its open sessions")
    texts_waiting: int = Field(description="Texts that wait to be said")
    breaker: str = Field(description="Whether it asks Kaltura, as for all")
    this_one: bool = Field(description="Whether it is the one that answers here")
    same_settings: bool = Field(description="Whether its settings are those of this one")

    @classmethod
    def of(
        cls,
        replica: KnownReplica,
        stats: ReplicaStats,
        *,
        live: int,
        this_one: bool,
        same_settings: bool,
    ) -> Self:
        """The health of a replica, from its row and its stats."""
        return cls(
            name=replica.holder,
            url=replica.url,
            version=replica.version,
            state=replica.state,
            lease_age_seconds=round(replica.lease_age, 1),
            live=live,
            texts_waiting=stats.texts_waiting,
            breaker=stats.breaker,
            this_one=this_one,
            same_settings=same_settings,
        )


class HealthReport(ApiModel):
    """How full the broker is, how Kaltura has answered lately, and the state of the record.

    With Postgres these are the figures of all replicas.
    """

    live: int
    capacity: int = Field(description="Sessions that may be open")
    waiting: int = Field(description="Visitors in line")
    waiting_capacity: int
    breaker: str = Field(
        description="closed: Kaltura is asked; open: it is not; half_open: once. Of several "
        "replicas the worst"
    )
    operations: list[OperationHealth]
    record_waiting: int = Field(description="Entries that are not on disk yet")
    record_fails: bool = Field(description="Whether the record can't be written just now")
    replicas: list[ReplicaHealth] = Field(description="Empty with SQLite, which has one process")

    @classmethod
    def of(
        cls, stats: Stats, told: ReplicaStats, replicas: list[ReplicaHealth], *, live: int
    ) -> Self:
        """The report, from the figures of this process and of all replicas."""
        return cls(
            live=live,
            capacity=stats.capacity,
            waiting=stats.waiting,
            waiting_capacity=stats.waiting_capacity,
            breaker=told.breaker,
            operations=[
                OperationHealth(
                    operation=operation,
                    calls=calls.calls,
                    failed=calls.failed,
                    median_ms=_milliseconds(calls.median),
                    p95_ms=_milliseconds(calls.p95),
                )
                for operation, calls in sorted(told.operations.items())
            ],
            record_waiting=told.record_waiting,
            record_fails=told.record_fails,
            replicas=replicas,
        )


class SessionsChanged(ApiModel):
    """An event with the open sessions."""

    event: Literal["sessions"]
    data: LiveSessionList


class HealthChanged(ApiModel):
    """An event with the health report."""

    event: Literal["health"]
    data: HealthReport


class ConsoleEvent(RootModel[SessionsChanged | HealthChanged]):
    """An event of the stream that the console shows."""

    root: SessionsChanged | HealthChanged = Field(discriminator="event")


class DayUsage(ApiModel):
    """The usage of one day (UTC)."""

    day: date
    sessions: int = Field(description="That began on it")
    minutes: float


class VisitorUsage(ApiModel):
    """The usage of one visitor."""

    visitor: str
    sessions: int
    minutes: float
    sessions_today: int
    minutes_today: float


class UsageReport(ApiModel):
    """The usage by day, and by visitor for the hundred visitors with the most minutes."""

    today: DayUsage
    days: list[DayUsage] = Field(description="The latest first")
    visitors: list[VisitorUsage] = Field(description="Those with the most minutes first")

    @classmethod
    def of(
        cls,
        by_day: Mapping[date, UsageTotals],
        today: Mapping[str, UsageTotals],
        by_visitor: Mapping[str, UsageTotals],
    ) -> Self:
        """The report, from what was counted."""
        days = [
            DayUsage(day=day, sessions=used.sessions, minutes=_minutes(used))
            for day, used in by_day.items()
        ]
        visitors = [
            VisitorUsage(
                visitor=visitor,
                sessions=used.sessions,
                minutes=_minutes(used),
                sessions_today=today.get(visitor, UsageTotals()).sessions,
                minutes_today=_minutes(today.get(visitor, UsageTotals())),
            )
            for visitor, used in by_visitor.items()
        ]
        return cls(today=days[0], days=days, visitors=visitors)


class SignIn(ApiModel):
    """The operator's token."""

    token: SecretStr


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _minutes(used: UsageTotals) -> float:
    return round(used.seconds / 60, 1)
