"""The figures at /metrics, as an operator's monitoring reads them."""

from collections.abc import Iterable
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.sessions.speech.voice.tts_fallback import SpeechMode
from app.sessions.stats import SharedStats, Stats
from app.sessions.store.model import EndReason

OPERATOR = "an-operator-token-for-tests"
BEARER = {"Authorization": f"Bearer {OPERATOR}"}


def nothing_counted() -> tuple[Stats, SharedStats]:
    """The figures of a broker that has just started."""
    counts: dict[str, Any] = dict.fromkeys(Stats.__dataclass_fields__, 0) | {
        "ended": dict.fromkeys(EndReason, 0),
        "ks_renewals": {"made": 0},
        "voice_said": dict.fromkeys(SpeechMode, 0),
    }
    return Stats(**counts), SharedStats({})


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
