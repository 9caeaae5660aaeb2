"""Problems of a session, or of opening one."""

from app.problems.base import Problem


class SessionNotFound(Problem):
    """A session that does not exist or belongs to another visitor; the answer is the same."""

    name = "session-not-found"
    status = 404
    title = "No such session"
    meaning = "There is no such session, or it is not yours."
    remedy = "Check the session id, or open a session."


class SessionEnded(Problem):
    """A session that has ended."""

    name = "session-ended"
    status = 410
    title = "The session has ended"
    meaning = "The session has ended and can't be continued."
    remedy = "Open another session."


class TicketNotFound(Problem):
    """A waiting room's ticket that does not exist, or has expired."""

    name = "ticket-not-found"
    status = 404
    title = "No such place in line"
    meaning = "There is no such ticket: its turn was missed, or nobody has asked for it for long."
    remedy = "Call create again; it opens a session or gives a new ticket."


class TooManySessions(Problem):
    """A create beyond MAX_SESSIONS_PER_VISITOR."""

    name = "too-many-sessions"
    status = 429
    title = "You already have a session"
    meaning = "You have as many open sessions as one visitor may have."
    remedy = (
        "End a session first; `GET /api/avatar-sessions` lists yours. The operator sets the "
        "number with MAX_SESSIONS_PER_VISITOR."
    )


class BudgetSpent(Problem):
    """A create after the day's minutes are used up, those of the visitor or of all."""

    name = "budget-spent"
    status = 429
    title = "Today's minutes are used up"
    meaning = "The minutes that sessions may last in a day are used up."
    remedy = (
        "Come back tomorrow; Retry-After says when the day ends (UTC). The operator sets the "
        "minutes with DAILY_MINUTES_PER_VISITOR and DAILY_MINUTES."
    )


class QueueFull(Problem):
    """A call beyond what may wait in one session's queue."""

    name = "queue-full"
    status = 429
    title = "Too much at once"
    meaning = "So much waits to be said in this session, or to be called, that no more may wait."
    remedy = (
        "Let the avatar finish, or interrupt it; Retry-After says how long the first of it takes. "
        "A text that is streamed need not be sent again: its reader waits by itself."
    )


class AtCapacity(Problem):
    """A create while all sessions are taken and the waiting room is full or off."""

    name = "at-capacity"
    status = 503
    title = "All avatars are busy"
    meaning = "As many sessions are open as may be, and as many visitors wait as may wait."
    remedy = (
        "Try again when a session has ended; Retry-After says when. The operator sets the "
        "numbers with MAX_CONCURRENT_SESSIONS and MAX_WAITING, and with ADDRESS_SHARE_PERCENT how "
        "much of them the visitors of one network address may have."
    )


class RecordUnavailable(Problem):
    """A call that is not carried out, because the database can't record it."""

    name = "record-unavailable"
    status = 503
    title = "The broker can't keep its records"
    meaning = "The broker's database can't be written, so nothing new is begun."
    remedy = (
        "Try again; Retry-After says when. Operator: the disk may be full, or the file that "
        "DATABASE_URL names may be locked or read-only; the log names the error."
    )
