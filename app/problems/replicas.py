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
