"""The health checks: of the process, for load balancers, and for people."""

from fastapi import APIRouter, Response

from app.web.deps import LeaseDep, ReadinessDep, StoppingDep
from app.web.route_classes import HeadRoute
from app.web.visitor.schemas import Health, ReadinessReport, ServingReport

router = APIRouter(tags=["Operator"], route_class=HeadRoute)


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get(
    "/servez",
    responses={
        503: {
            "model": ServingReport,
            "description": "The process is about to stop, or counts as dead",
        }
    },
)
async def servez(response: Response, stopping: StoppingDep, lease: LeaseDep) -> ServingReport:
    """Whether a load balancer is to send requests here.

    Kaltura and the database are not looked at: they are the same for every process behind the
    balancer, and without any process no running session could be ended.
    """
    serving = not stopping.is_set() and not lease.is_declared_dead
    response.status_code = 200 if serving else 503
    return ServingReport(serving=serving)


@router.get(
    "/readyz",
    responses={
        503: {"model": ReadinessReport, "description": "No session can be opened; `wrong` says why"}
    },
)
async def readyz(response: Response, readiness: ReadinessDep) -> ReadinessReport:
    """Whether sessions can be opened, by the last attempt; names what is wrong."""
    wrong = readiness.wrong()
    response.status_code = 503 if wrong else 200
    return ReadinessReport(
        ready=not wrong, wrong=wrong, warnings=readiness.warnings(), speech=readiness.speech
    )
