"""Reads from the audit record what earlier processes of a session were asked to say."""

from collections import defaultdict
from typing import Final

from sqlalchemy import Connection, func, select

from app.audit.model import Entry, Event
from app.audit.reader import entry_of
from app.audit.schema import AUDIT
from app.db.database import Rows

MOST_OF_ONE_SESSION: Final = 200
"""The most entries that are read of one session, the latest; nobody asks about older ones."""

Speaks = dict[str, tuple[Entry, ...]]
"""The entries of each session's speaks, oldest first."""

_SPEAKS: Final = (Event.SAY_TEXT.value, Event.SAY_AUDIO.value)


def recorded_speaks(connection: Connection, sessions: Rows) -> Speaks:
    """The speaks of the sessions in these rows that are open, as part of a transaction."""
    opened_at = {row.session_id: row.opened_at for row in sessions if not row.ended_upstream}
    if not opened_at:
        return {}
    place = func.row_number().over(partition_by=AUDIT.c.session_id, order_by=AUDIT.c.id.desc())
    numbered = (
        select(AUDIT, place.label("place"))
        .where(AUDIT.c.session_id.in_(opened_at), AUDIT.c.event.in_(_SPEAKS))
        .subquery()
    )
    latest = select(numbered).where(numbered.c.place <= MOST_OF_ONE_SESSION)
    found: dict[str, list[Entry]] = defaultdict(list)
    for row in connection.execute(latest.order_by(numbered.c.id)):
        # Kaltura might use an id again: entries of an earlier session don't count.
        if row.at >= opened_at[row.session_id]:
            found[row.session_id].append(entry_of(row))
    return {session_id: tuple(entries) for session_id, entries in found.items()}
