"""Problems between replicas, the broker processes that share one Postgres."""

from app.problems.base import Problem


class ReplicaUnavailable(Problem):
    """A call that no replica carries out just now.

    The session's replica can't be reached, or it can't reach the database, and no other has taken
    the session over yet.
    """

    name = "replica-unavailable"
    status = 503
    title = "The session's replica is not available"
    meaning = (
        "The process that has the session can't be reached, or can't be sure that it still has it, "
        "so the call was not carried out."
    )
    remedy = (
        "Try again; Retry-After says when. Another process takes the session over within seconds. "
        "Operator: if it lasts, each replica must reach Postgres, and be reached by the others at "
        "its REPLICA_URL."
    )


class OutcomeUnknown(Problem):
    """A call that a process may have carried out before it died; it is not sent again."""

    name = "outcome-unknown"
    status = 504
    title = "It is not known whether it was done"
    meaning = "The process that had the session is gone or broke off after it was given the call."
    remedy = (
        "Look at the session's utterances or events before you send a text again: it may have been "
        "said. The session goes on."
    )
