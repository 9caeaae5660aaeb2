"""Problems between replicas, the broker processes that share one Postgres."""

from app.problems.base import Problem


class ReplicaSuspended(Problem):
    """A call that is not carried out, because this replica may no longer have the session."""

    name = "replica-suspended"
    status = 503
    title = "This replica may not act just now"
    meaning = (
        "The process has not reached the database for seconds, so another may have its sessions: "
        "it opens and says nothing new."
    )
    remedy = (
        "Try again; Retry-After says when. Another process takes the sessions over within seconds, "
        "or this one goes on. Operator: each replica must reach Postgres; the log names the error."
    )


class ReplicaUnavailable(Problem):
    """A call of a session whose replica can't be reached, and that no other has taken over yet."""

    name = "replica-unavailable"
    status = 503
    title = "The session's replica is not available"
    meaning = "The process that has the session can't be reached, so the call was not carried out."
    remedy = (
        "Try again; Retry-After says when. Another process takes the session over within seconds. "
        "Operator: if it lasts, each replica must be reached by the others at its REPLICA_URL."
    )


class OutcomeUnknown(Problem):
    """A call that broke off between two replicas after it was sent; it is not sent again."""

    name = "outcome-unknown"
    status = 504
    title = "It is not known whether it was done"
    meaning = "The process that has the session broke off after it was given the call."
    remedy = (
        "Look at the session's utterances or events before you send a text again: it may have been "
        "said. The session goes on."
    )
