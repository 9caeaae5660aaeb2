"""The figures at /metrics: what they count, what they never say, and who may see them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from app import __version__
from app.kaltura.breaker import OPEN_SECONDS, THRESHOLD
from app.kaltura.minting import LIFETIME_SECONDS
from app.main import Transports, create_app
from tests.support.doubles import BY_ADMIN_SECRET, FakeClock, FakeKaltura, refusal, settings
from tests.support.metrics import BEARER, OPERATOR, scraped, value
from tests.support.visitor_api import CONTROLS, CREATE, Visit, opened, path


async def test_without_a_token_that_is_set_they_are_closed(visit: Visit) -> None:
    visitor = await visit()
    for headers in ({}, BEARER, {"Authorization": "Bearer "}):
        answer = await visitor.get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert "OPERATOR_TOKEN is not set" in answer.json()["detail"]


@pytest.mark.parametrize(
    "sent",
    [None, "", f"Bearer {OPERATOR}x", f"Basic {OPERATOR}", "Bearer é", f"Bearer {OPERATOR[:-1]}"],
)
async def test_only_the_operator_sees_them(visit: Visit, sent: str | None) -> None:
    visitor = await visit(operator_token=OPERATOR)
    headers = [] if sent is None else [(b"Authorization", sent.encode())]
    answer = await visitor.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert "avatar_broker" not in answer.text


async def test_two_apps_in_one_process_count_for_themselves(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    create_app(settings(), transports=Transports(kaltura=kaltura))
    visitor = await visit(operator_token=OPERATOR)
    await visitor.get("/healthz")
    assert await value(visitor, "http_requests_total", route="/healthz") == 1


async def test_a_request_is_counted_under_its_route_and_never_under_its_path(visit: Visit) -> None:
    visitor = await visit(operator_token=OPERATOR)
    session = await opened(visitor)
    await visitor.post(path(session, "end"))
    for nowhere in ("/nowhere", "/api/x/y", "/%F0%9F%98%80", f"/{session['sessionId']}"):
        await visitor.get(nowhere)
    await visitor.get("/static/style.css")
    await visitor.get("/static/nothing")
    await visitor.request("BREW", "/healthz")
    ended = {"route": "/api/avatar-sessions/{sessionId}/end", "method": "POST"}
    assert await value(visitor, "http_requests_total", status="200", **ended) == 1
    assert await value(visitor, "http_request_duration_seconds_count", **ended) == 1
    assert await value(visitor, "http_requests_total", route="other", status="404") == 4
    assert await value(visitor, "http_requests_total", route="/static") == 2
    assert await value(visitor, "http_requests_total", method="other") == 1
    routes = {
        sample.labels["route"]
        for family in (await scraped(visitor)).values()
        for sample in family.samples
        if "route" in sample.labels
    }
    assert session["sessionId"] not in str(routes)
    assert routes <= _templates() | {"other", "/static"}


def _templates() -> set[str]:
    app = create_app(settings())
    return {*app.openapi()["paths"], "/", "/docs", "/approaches", "/problems/{name}"}


async def test_what_goes_wrong_is_counted_by_its_problem(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=OPERATOR, max_waiting=0, max_concurrent_sessions=1)
    kaltura.will("create", refusal(401))
    await visitor.post(CREATE)
    await opened(visitor)
    await visitor.post(CREATE)
    await (await visit()).post(CREATE)
    for problem in ("kaltura-credentials-rejected", "too-many-sessions", "at-capacity"):
        assert await value(visitor, "problems_total", problem=problem, route=CREATE) == 1
    await visitor.post("/v1/avatar-session/session-1/end")
    assert await value(visitor, "problems_total", problem="unauthenticated") == 1


async def test_each_request_to_kaltura_is_counted_by_its_outcome(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=OPERATOR)
    session = await opened(visitor)
    kaltura.will("say-text", refusal(503))
    for control, content in CONTROLS.items():
        await visitor.post(path(session, control), **content)
    for operation in ("create", "init-client", "say-audio", "interrupt", "end"):
        counted = {"operation": operation, "outcome": "ok"}
        assert await value(visitor, "kaltura_requests_total", **counted) == 1
    failed = {"operation": "say-text", "outcome": "SpeechFailedError"}
    assert await value(visitor, "kaltura_requests_total", **failed) == 1
    count = "kaltura_request_duration_seconds_count"
    assert await value(visitor, count, operation="say-text") == 1


async def test_sessions_are_counted_from_opened_to_why_they_ended(
    visit: Visit, clock: FakeClock
) -> None:
    limits = {"max_sessions_per_visitor": 2, "max_concurrent_sessions": 2, "max_waiting": 7}
    visitor = await visit(operator_token=OPERATOR, **limits)
    first = await opened(visitor)
    await opened(visitor)
    assert (await (await visit()).post(CREATE)).status_code == 202
    assert await value(visitor, "sessions_live") == 2
    assert await value(visitor, "sessions_capacity") == 2
    assert await value(visitor, "waiting_room_length") == 1
    assert await value(visitor, "waiting_room_capacity") == 7
    await visitor.post(path(first, "end"))
    assert await value(visitor, "sessions_live") == 1
    assert await value(visitor, "sessions_opened_total") == 2
    assert await value(visitor, "sessions_ended_total", reason="visitor") == 1
    assert await value(visitor, "sessions_ended_total", reason="expired") == 0
    clock.advance(settings().session_max_seconds)
    await visitor.get(path(first).replace("session-1", "session-2"))
    assert await value(visitor, "sessions_ended_total", reason="expired") == 1


async def test_a_session_that_kaltura_does_not_end_is_seen_to_be_ending(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(operator_token=OPERATOR)
    session = await opened(visitor)
    kaltura.will("end", *(refusal(500) for _ in range(3)))
    await visitor.post(path(session, "end"))
    assert await value(visitor, "sessions_live") == 0
    assert await value(visitor, "sessions_ending") == 1


async def test_the_breaker_shows_its_state(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    visitor = await visit(operator_token=OPERATOR)
    assert await value(visitor, "kaltura_breaker", state="closed") == 1
    kaltura.will("create", *(refusal(500) for _ in range(THRESHOLD)))
    for _ in range(THRESHOLD):
        await visitor.post(CREATE)
    assert await value(visitor, "kaltura_breaker", state="open") == 1
    assert await value(visitor, "kaltura_breaker", state="closed") == 0
    clock.advance(OPEN_SECONDS)
    await opened(visitor)
    assert await value(visitor, "kaltura_breaker", state="closed") == 1


async def test_it_shows_whose_voice_speaks_and_how_much(visit: Visit, kaltura: FakeKaltura) -> None:
    visitor = await visit(operator_token=OPERATOR)
    session = (await visitor.post("/api/create-avatar-session")).json()
    speak = f"/api/avatar-sessions/{session['sessionId']}/speak"
    await visitor.post(speak, json={"text": "Hello."})
    assert await value(visitor, "speech_voice", state="text") == 1
    assert await value(visitor, "speech_pieces_total", voice="text") == 1
    kaltura.will("say-text", refusal(503))
    await visitor.post(speak, json={"text": "Hello."})
    assert await value(visitor, "speech_voice", state="unavailable") == 1
    assert await value(visitor, "speech_pieces_total", voice="audio") == 0


async def test_a_ks_that_is_made_or_not_is_counted(
    visit: Visit, kaltura: FakeKaltura, clock: FakeClock
) -> None:
    limits: dict[str, Any] = {"max_sessions_per_visitor": 9}
    visitor = await visit(operator_token=OPERATOR, **limits, **BY_ADMIN_SECRET)
    await opened(visitor)
    clock.advance(LIFETIME_SECONDS)
    kaltura.will("start", refusal(500))
    await visitor.post(CREATE)
    assert await value(visitor, "ks_renewals_total", outcome="made") == 1
    assert await value(visitor, "ks_renewals_total", outcome="failed") == 1


async def test_the_record_shows_whether_it_is_written(visit: Visit) -> None:
    visitor = await visit(operator_token=OPERATOR)
    await opened(visitor)
    assert await value(visitor, "audit_writable") == 1
    assert await value(visitor, "audit_waiting") == 0
    families = await scraped(visitor)
    assert {"avatar_broker_audit_lag_seconds", "avatar_broker_audit_lost"} <= families.keys()


async def test_it_says_what_runs(visit: Visit) -> None:
    visitor = await visit(operator_token=OPERATOR)
    assert await value(visitor, "build_info", version=__version__) == 1
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"] == __version__
    assert "process_resident_memory_bytes" in await scraped(visitor)
