"""The health checks: liveness and readiness."""

from fastapi import APIRouter, Response

from app.web.deps import ReadinessDep
from app.web.head_route import HeadRoute
from app.web.visitor.schemas import Health, ReadinessReport

router = APIRouter(tags=["Operator"], route_class=HeadRoute)


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health()


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
