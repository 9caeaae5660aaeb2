"""The figures for Prometheus."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app.problems import Unauthenticated
from app.signals.metrics import CONTENT_TYPE
from app.web.deps import MetricsDep, OverviewDep
from app.web.heads import HeadRoute
from app.web.openapi import problems
from app.web.operators import OperatorDep

router = APIRouter(tags=["Operator"], route_class=HeadRoute)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=problems(Unauthenticated),
)
async def get_metrics(_: OperatorDep, metrics: MetricsDep, overview: OverviewDep) -> Response:
    """The broker's figures, as Prometheus reads them."""
    figures = await overview.figures()
    return Response(metrics.exposition(figures), media_type=CONTENT_TYPE)
