"""The figures at /metrics, as an operator's monitoring reads them."""

from collections.abc import Iterable

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

OPERATOR = "an-operator-token-for-tests"
BEARER = {"Authorization": f"Bearer {OPERATOR}"}


async def scraped(visitor: httpx.AsyncClient) -> dict[str, Metric]:
    answer = await visitor.get("/metrics", headers=BEARER)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families: Iterable[Metric] = text_string_to_metric_families(answer.text)
    return {family.name: family for family in families}


async def value(visitor: httpx.AsyncClient, name: str, **labels: str) -> float:
    """One figure, 0 where nothing has been counted."""
    families = await scraped(visitor)
    samples = [sample for family in families.values() for sample in family.samples]
    wanted = f"avatar_broker_{name}"
    return sum(s.value for s in samples if s.name == wanted and labels.items() <= s.labels.items())
