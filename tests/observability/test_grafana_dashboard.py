"""The dashboard and the alert rules name what there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.kaltura import errors
from app.observability.metrics import Metrics
from app.problems import PROBLEMS
from app.sessions.store.model import EndReason
from app.sessions.store.overview import REPLICA_STATES
from app.web.middleware.forwarder import ForwardOutcome
from tests.support.doubles import BY_ADMIN_SECRET, FakeKaltura, refusal
from tests.support.metrics import OPERATOR, nothing_counted, scraped
from tests.support.visitor_api import CONTROLS, CREATE, Visit, opened, path

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DOCS / "alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
BY_SCRAPER = {"job", "le"}
KNOWN: dict[str, set[str]] = {
    "outcome": {
        "ok",
        *("made", "failed"),
        *(kind.__name__ for kind in vars(errors).values() if isinstance(kind, type)),
    },
    "problem": {kind.name for kind in PROBLEMS},
    "reason": set(EndReason),
    "state": {"closed", "open", "half_open", *REPLICA_STATES},
    "status": {"500"},
}
"""What may be compared with, where a calm minute need not have shown it."""


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (variable["query"] for variable in DASHBOARD["templating"]["list"])
    yield from (rule["expr"] for rule in RULES)


SELECTOR = re.compile(r"\b((?:avatar_broker|process)_\w+)(?:\{([^}]*)\})?")
COMPARED = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


async def traffic(visitor: httpx.AsyncClient, kaltura: FakeKaltura) -> None:
    """A session with all that is done in one, and something that goes wrong."""
    session = await opened(visitor)
    for control, content in CONTROLS.items():
        await visitor.post(path(session, control), **content)
    kaltura.will("create", refusal(500))
    await visitor.post(CREATE)
    await visitor.get("/nowhere")


@pytest.fixture
async def there(visit: Visit, kaltura: FakeKaltura) -> dict[str, dict[str, set[str]]]:
    """Each figure after some traffic, with its labels and their values."""
    visitor = await visit(operator_token=OPERATOR, **BY_ADMIN_SECRET)
    await traffic(visitor, kaltura)
    # There is nobody to pass calls on to in this test.
    forwarding = Metrics()
    for outcome in ForwardOutcome:
        forwarding.forwarded(outcome, 0.1)
    forwards = text_string_to_metric_families(forwarding.exposition(*nothing_counted()).decode())
    found: dict[str, dict[str, set[str]]] = {}
    for family in (*forwards, *(await scraped(visitor)).values()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


async def test_every_figure_and_label_that_they_name_is_there_after_some_traffic(
    there: dict[str, dict[str, set[str]]],
) -> None:
    named = set()
    for query in queries():
        labels: set[str] = set()
        for name, selected in SELECTOR.findall(query):
            assert name in there, f"{name} in {query}"
            named.add(name)
            labels |= there[name].keys()
            for label, compared in COMPARED.findall(selected):
                assert label in {*there[name], *BY_SCRAPER}, f"{label} of {name} in {query}"
                if label not in BY_SCRAPER and ".*" not in compared:
                    values = there[name][label] | KNOWN.get(label, set())
                    assert compared in values, f"{label}={compared} of {name} in {query}"
        for grouped in GROUPED.findall(query):
            asked = {label.strip() for label in grouped.split(",")}
            assert asked <= labels | BY_SCRAPER, query
    ours = {name for name in there if name.startswith("avatar_broker_")}
    unseen = {name for name in ours - named if not name.endswith(("_created", "_sum", "_count"))}
    assert unseen == set(), "the dashboard shows everything"


async def test_a_figure_of_all_replicas_is_added_up_nowhere(visit: Visit) -> None:
    families = (await scraped(await visit(operator_token=OPERATOR))).values()
    of_all = {f.name for f in families if "_all_" in f.name or f.documentation.endswith("of all")}
    assert len(of_all) == 5
    asked = [query for query in queries() if of_all & {name for name, _ in SELECTOR.findall(query)}]
    assert len(asked) > 5
    for query in asked:
        for name in of_all:
            wrapped = re.findall(rf"max(?: by \(\w+\))? ?\({name}\b", query)
            assert len(wrapped) == len(re.findall(rf"\b{name}\b", query)), query


def test_every_panel_says_what_it_shows_and_none_hides_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
