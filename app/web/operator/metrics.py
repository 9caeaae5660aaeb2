"""The route of the metrics for Prometheus."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from app.observability.metrics import CONTENT_TYPE
from app.problems import Unauthenticated
from app.web.deps import MetricsDep, StatsReaderDep
from app.web.docs.openapi import problems
from app.web.operator.sign_in import OperatorDep
from app.web.route_classes import HeadRoute

router = APIRouter(tags=["Operator"], route_class=HeadRoute)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses=problems(Unauthenticated),
)
async def get_metrics(
    _: OperatorDep, metrics: MetricsDep, stats_reader: StatsReaderDep
) -> Response:
    """The broker's metrics in Prometheus' text format."""
    exposition = metrics.exposition(await stats_reader.stats(), await stats_reader.shared_stats())
    return Response(exposition, media_type=CONTENT_TYPE)
