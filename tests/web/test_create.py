"""How a visitor comes to a session, over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settled
from tests.support.visitor_api import CREATE, Visit, bearer, is_problem, keyed, opened, path

LINE = "/api/waiting-room"
ONE_PLACE = {"max_concurrent_sessions": 1}


ANOTHER = {"sessionId": "another", "token": "t"}


async def called(visit: Visit) -> tuple[httpx.AsyncClient, str]:
    """Someone whose turn has come, and their ticket."""
    first = await visit(**ONE_PLACE)
    session = await opened(first)
    caller = await visit()
    ticket = (await caller.post(CREATE)).json()["ticket"]
    await first.post(path(session, "end"))
    return caller, ticket


class TestWaitingRoom:
    async def test_when_every_session_is_taken_create_answers_with_a_place_in_line(
        self, visit: Visit
    ) -> None:
        await opened(await visit(**ONE_PLACE))
        answer = await (await visit()).post(CREATE)
        body = answer.json()
        assert answer.status_code == 202
        assert body["position"] == 1
        assert body["estimatedSeconds"] > 0
        assert body["turnSecondsLeft"] is None
        assert set(body) == {"ticket", "position", "estimatedSeconds", "turnSecondsLeft"}
        assert answer.headers["Location"] == f"{LINE}/{body['ticket']}"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" in answer.headers, "the visitor is known when they ask again"

    async def test_the_place_is_told_and_create_takes_the_turn(self, visit: Visit) -> None:
        first = await visit(**ONE_PLACE)
        session = await opened(first)
        second = await visit()
        ticket = (await second.post(CREATE)).json()["ticket"]
        asking = asyncio.create_task(second.get(f"{LINE}/{ticket}?wait=20"))
        await asyncio.sleep(0)
        await first.post(path(session, "end"))
        assert (await asking).json()["turnSecondsLeft"] == 30
        assert (await second.post(CREATE)).status_code == 201

    async def test_the_one_line_fetch_waits_too(self, visit: Visit) -> None:
        await opened(await visit(**ONE_PLACE))
        assert (await (await visit()).get(CREATE)).status_code == 202

    async def test_a_caller_that_keeps_no_cookie_is_known_by_its_ticket(self, visit: Visit) -> None:
        first = await visit(**ONE_PLACE)
        session = await opened(first)
        caller = await visit()
        ticket = (await caller.post(CREATE)).json()["ticket"]
        caller.cookies.clear()
        again = await caller.post(CREATE, json={"ticket": ticket})
        assert again.json()["ticket"] == ticket
        await first.post(path(session, "end"))
        mine = await caller.post(CREATE, json={"ticket": ticket})
        assert mine.status_code == 201
        assert "Set-Cookie" not in mine.headers
        control = await caller.post(path(mine.json(), "end"), headers=bearer(mine.json()))
        assert control.status_code == 200

    @pytest.mark.parametrize("keeps_cookie", [False, True])
    async def test_a_lost_answer_is_had_again_with_the_ticket_and_the_key(
        self, visit: Visit, kaltura: FakeKaltura, *, keeps_cookie: bool
    ) -> None:
        caller, ticket = await called(visit)
        if not keeps_cookie:
            caller.cookies.clear()
        before = kaltura.operations().count("create")
        first = await caller.post(CREATE, json={"ticket": ticket}, headers=keyed("k"))
        again = await caller.post(CREATE, json={"ticket": ticket}, headers=keyed("k"))
        assert (again.status_code, again.json()) == (201, first.json())
        assert kaltura.operations().count("create") == before + 1

    async def test_also_while_the_first_is_under_way(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        caller, ticket = await called(visit)
        caller.cookies.clear()
        kaltura.will("create", gate := Gate(httpx.Response(200, json=ANOTHER)))

        def ask() -> asyncio.Task[httpx.Response]:
            asked = caller.post(CREATE, json={"ticket": ticket}, headers=keyed("k"))
            return asyncio.create_task(asked)

        rush = [ask()]
        await gate.reached.wait()
        rush += [ask(), ask()]
        await settled()
        gate.open.set()
        answers = await asyncio.gather(*rush)
        assert [answer.status_code for answer in answers] == [201] * 3
        assert {answer.json()["sessionId"] for answer in answers} == {ANOTHER["sessionId"]}

    @pytest.mark.parametrize("headers", [{}, keyed("another")], ids=["no key", "another key"])
    async def test_a_ticket_that_was_used_is_none_without_its_key(
        self, visit: Visit, headers: dict[str, str]
    ) -> None:
        caller, ticket = await called(visit)
        assert (
            await caller.post(CREATE, json={"ticket": ticket}, headers=keyed("k"))
        ).status_code == 201
        for asking in (caller, await visit()):
            answer = await asking.post(CREATE, json={"ticket": ticket}, headers=headers)
            assert is_problem(answer, "ticket-not-found", 404)

    async def test_a_turn_that_came_to_nothing_is_over(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        caller, ticket = await called(visit)
        caller.cookies.clear()
        kaltura.will("create", refusal(500))
        for name, status in (("kaltura-error", 502), ("ticket-not-found", 404)):
            answer = await caller.post(CREATE, json={"ticket": ticket}, headers=keyed("k"))
            assert is_problem(answer, name, status)

    @pytest.mark.parametrize("ticket", ["unknown", "x" * 64])
    async def test_a_ticket_that_is_none_is_told_so(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ticket: str
    ) -> None:
        assert is_problem(await visitor.get(f"{LINE}/{ticket}"), "ticket-not-found", 404)
        answer = await visitor.post(CREATE, json={"ticket": ticket})
        assert is_problem(answer, "ticket-not-found", 404)
        assert kaltura.calls == []

    async def test_a_ticket_in_any_script_is_none(self, visit: Visit) -> None:
        await opened(await visit(**ONE_PLACE))
        waiting = await visit()
        await waiting.post(CREATE)
        assert is_problem(await waiting.get(f"{LINE}/äöü"), "ticket-not-found", 404)
        assert (await waiting.post(f"{LINE}/äöü/leave")).status_code == 200

    @pytest.mark.parametrize("ticket", ["", "x" * 65, "a b", 7, None, ["x"]])
    async def test_a_malformed_ticket_reaches_nothing(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ticket: Any
    ) -> None:
        answer = await visitor.post(CREATE, json={"ticket": ticket})
        if ticket is None:
            assert answer.status_code == 201
        else:
            assert is_problem(answer, "invalid-request", 422)
            assert kaltura.calls == []

    @pytest.mark.parametrize("wait", ["-1", "26", "x", ""])
    async def test_the_wait_is_bounded(self, visitor: httpx.AsyncClient, wait: str) -> None:
        answer = await visitor.get(f"{LINE}/t?wait={wait}")
        assert is_problem(answer, "invalid-request", 422)

    async def test_leaving_may_be_repeated_and_tells_a_stranger_nothing(self, visit: Visit) -> None:
        await opened(await visit(**ONE_PLACE))
        waiting = await visit()
        ticket = (await waiting.post(CREATE)).json()["ticket"]
        for ticket_id in (ticket, ticket, "unknown"):
            answer = await waiting.post(f"{LINE}/{ticket_id}/leave")
            assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert (await waiting.get(f"{LINE}/{ticket}")).status_code == 404

    async def test_another_site_cannot_make_a_visitor_leave_the_line(self, visit: Visit) -> None:
        await opened(await visit(**ONE_PLACE))
        waiting = await visit()
        ticket = (await waiting.post(CREATE)).json()["ticket"]
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        answer = await waiting.post(f"{LINE}/{ticket}/leave", headers=headers)
        assert is_problem(answer, "cross-site-request", 403)
        assert (await waiting.get(f"{LINE}/{ticket}")).status_code == 200

    async def test_the_mirror_cannot_wait_so_it_is_refused_as_kaltura_would(
        self, visit: Visit
    ) -> None:
        await opened(await visit(**ONE_PLACE))
        body = {"visualConfig": {"id": "avatar-1"}}
        answer = await (await visit()).post("/v1/avatar-session/create", json=body)
        assert answer.status_code == 503
        assert answer.json()["success"] is False

    async def test_a_full_line_is_at_capacity(self, visit: Visit) -> None:
        await opened(await visit(**ONE_PLACE, max_waiting=1))
        assert (await (await visit()).post(CREATE)).status_code == 202
        refused = await (await visit()).post(CREATE)
        assert is_problem(refused, "at-capacity", 503)
        assert int(refused.headers["Retry-After"]) > 0


class TestIdempotencyKey:
    async def test_overlapping_creates_of_one_visitor_open_one_session(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        await visitor.get("/")
        rush = [visitor.post(CREATE, json={}, headers=keyed("k")) for _ in range(8)]
        answers = await asyncio.gather(*rush)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert kaltura.operations().count("create") == 1

    async def test_a_stranger_with_the_same_key_gets_a_session_of_their_own(
        self, visit: Visit
    ) -> None:
        ids = {
            (await (await visit()).post(CREATE, headers=keyed("k"))).json()["sessionId"]
            for _ in range(3)
        }
        assert len(ids) == 3

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
    async def test_a_malformed_key_is_named_and_reaches_nothing(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, key: str
    ) -> None:
        answer = await visitor.post(CREATE, headers={b"Idempotency-Key": key.encode()})
        assert is_problem(answer, "invalid-request", 422)
        assert "Idempotency-Key" in answer.json()["errors"][0]["field"]
        assert kaltura.calls == []

    async def test_a_lost_answer_is_had_again_with_the_key(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        first = await visitor.post(CREATE, headers=keyed("k"))
        assert (await visitor.post(CREATE, headers=keyed("k"))).json() == first.json()
        assert kaltura.operations().count("create") == 1


class HungUp(httpx.ASGITransport):
    """A caller who is gone by the time of the answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self.app
        messages = iter([{"type": "http.request", "body": await request.aread()}])

        async def gone(scope: Any, _: Any, send: Any) -> None:
            async def receive() -> dict[str, Any]:
                return next(messages, {"type": "http.disconnect"})

            await app(scope, receive, send)

        return await httpx.ASGITransport(app=gone).handle_async_request(request)


@pytest.mark.parametrize("create", [CREATE, "/v1/avatar-session/create"])
async def test_a_session_whose_caller_hung_up_is_ended(
    visit: Visit, kaltura: FakeKaltura, create: str
) -> None:
    visitor = await visit()
    ordinary = visitor._transport
    assert isinstance(ordinary, httpx.ASGITransport)
    visitor._transport = HungUp(app=ordinary.app)
    await visitor.post(
        create, json={} if create == CREATE else {"visualConfig": {"id": "avatar-1"}}
    )
    async with asyncio.timeout(5):
        while "end" not in kaltura.operations():  # noqa: ASYNC110 - nobody hears of the end
            await asyncio.sleep(0)
    assert kaltura.operations() == ["create", "init-client", "end"]


class TestComingAndGoing:
    async def test_a_page_resumes_with_its_visitors_cookie_and_gets_what_create_gave(
        self, visitor: httpx.AsyncClient
    ) -> None:
        session = await opened(visitor)
        assert (await visitor.post(path(session, "resume"))).json() == session

    async def test_in_direct_mode_it_gets_kalturas_token_again(self, visit: Visit) -> None:
        visitor = await visit(avatar_token_mode="direct")
        session = await opened(visitor)
        assert (await visitor.post(path(session, "resume"))).json() == session

    @pytest.mark.parametrize("call", ["resume", "leave"])
    async def test_a_stranger_gets_the_same_404_as_nobody(self, visit: Visit, call: str) -> None:
        session = await opened(await visit())
        stranger = await visit()
        await stranger.get("/")
        theirs = await stranger.post(path(session, call))
        nobodys = await stranger.post(path({"sessionId": "nobody"}, call))
        assert is_problem(theirs, "session-not-found", 404)
        assert theirs.json() | {"requestId": 0} == nobodys.json() | {"requestId": 0}

    async def test_leaving_is_not_ending_so_it_needs_no_leave(
        self, visit: Visit, clock: FakeClock
    ) -> None:
        visitor = await visit(visitor_controls=())
        session = await opened(visitor)
        assert (await visitor.post(path(session, "leave"))).json() == {"success": True}
        assert (await visitor.get(path(session))).json()["watched"] is False

    async def test_the_list_tells_whether_a_session_is_watched(
        self, visitor: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        await opened(visitor)
        (mine,) = (await visitor.get("/api/avatar-sessions")).json()["sessions"]
        clock.advance(25)
        (later,) = (await visitor.get("/api/avatar-sessions")).json()["sessions"]
        assert (mine["watched"], later["watched"]) == (True, False)
        assert (mine["secondsLeft"], later["secondsLeft"]) == (900, 875)

    async def test_whoever_calls_a_session_that_is_over_hears_why(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        kaltura.will("say-text", refusal(410))
        for call in ("speak", "resume", "keep-alive"):
            answer = await visitor.post(
                path(session, call), json={"text": "hello"} if call == "speak" else None
            )
            assert is_problem(answer, "session-ended", 410)
            assert answer.json()["endReason"] == "gone"

    async def test_a_spent_budget_says_when_to_come_back(
        self, visit: Visit, clock: FakeClock
    ) -> None:
        visitor = await visit(daily_minutes_per_visitor=1)
        session = await opened(visitor)
        clock.advance(60)
        answer = await visitor.post(path(session, "speak"), json={"text": "hello"})
        assert answer.json()["endReason"] == "budget"
        refused = await visitor.post(CREATE)
        assert is_problem(refused, "budget-spent", 429)
        assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
