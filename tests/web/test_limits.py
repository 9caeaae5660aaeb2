"""How often one may call, and how much one address may have: whom it binds and must not hinder."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import pytest
import structlog
from asgi_lifespan import LifespanManager
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.kaltura.contract import MIRROR_PATH
from app.main import Transports, create_app
from app.problems import QueueFull
from app.sessions.audio.recordings import Recordings
from tests.support.audio import wav
from tests.support.doubles import FakeClock, FakeKaltura, Gate, refusal, settings
from tests.support.services import SERVICES, SHOP
from tests.support.visitor_api import CREATE, Visit, bearer, is_problem, keyed, opened, path

# The calls of one test are in one window, whatever the time is.
pytestmark = pytest.mark.usefixtures("rates_clock")

FEW: dict[str, Any] = {
    "create_rate_limit": "2/minute",
    "speak_rate_limit": "2/minute",
    "control_rate_limit": "2/minute",
    "max_concurrent_sessions": 20,
    "max_sessions_per_visitor": 20,
}
HOME = "203.0.113.7"
AWAY = "198.51.100.9"
MIRROR_CREATE = {"visualConfig": {"id": "avatar-1"}}

Call = Callable[[httpx.AsyncClient, dict[str, Any]], Any]
SPEAKS: dict[str, Call] = {
    "speak": lambda caller, session: caller.post(path(session, "speak"), json={"text": "Hello"}),
    "speak-audio": lambda caller, session: caller.post(
        path(session, "speak-audio"), files={"audio": ("a.wav", wav(1), "audio/wav")}
    ),
    "say-text": lambda caller, session: caller.post(
        f"{MIRROR_PATH}/{session['sessionId']}/say-text",
        json={"text": "Hello", "turnId": "t", "isFinal": True},
        headers=bearer(session),
    ),
    "say-audio": lambda caller, session: caller.post(
        f"{MIRROR_PATH}/{session['sessionId']}/say-audio",
        files={"audio": ("a.wav", wav(1), "audio/wav")},
        data={"turnId": "t"},
        headers=bearer(session),
    ),
}
CREATES: dict[str, Callable[[httpx.AsyncClient], Any]] = {
    "POST": lambda caller: caller.post(CREATE),
    "GET": lambda caller: caller.get(CREATE),
    "mirror": lambda caller: caller.post(f"{MIRROR_PATH}/create", json=MIRROR_CREATE),
}


def is_refused(answer: httpx.Response) -> bool:
    """In the shape of the surface that was called."""
    assert int(answer.headers["Retry-After"]) > 0
    assert ";r=0;t=" in answer.headers["RateLimit"]
    if answer.url.path.startswith(MIRROR_PATH):
        return (answer.status_code, answer.json()["success"]) == (429, False)
    return is_problem(answer, "rate-limited", 429)


class TestCreate:
    @pytest.mark.parametrize("call", CREATES)
    async def test_one_visitor_may_create_so_often(
        self, visit: Visit, kaltura: FakeKaltura, call: str
    ) -> None:
        visitor = await visit(address=HOME, **FEW)
        await visitor.get("/")
        for left in (1, 0):
            answer = await CREATES[call](visitor)
            assert answer.is_success
            assert answer.headers["RateLimit-Policy"] == '"create";q=2;w=60'
            assert answer.headers["RateLimit"].startswith(f'"create";r={left};t=')
        assert is_refused(await CREATES[call](visitor))
        assert kaltura.opened == 2, "a refused create reaches nothing"

    async def test_every_way_to_create_is_counted_as_one(self, visit: Visit) -> None:
        visitor = await visit(**FEW)
        for call in ("POST", "mirror"):
            assert (await CREATES[call](visitor)).is_success
        assert is_refused(await CREATES["GET"](visitor))

    async def test_a_visitor_is_counted_at_every_address(self, visit: Visit) -> None:
        home, away = await visit(address=HOME, **FEW), await visit(address=AWAY)
        await home.get("/")
        away.cookies = home.cookies
        assert (await home.post(CREATE)).is_success
        assert (await away.post(CREATE)).is_success
        assert is_refused(await away.post(CREATE))

    @pytest.mark.parametrize("call", CREATES)
    async def test_a_fresh_cookie_does_not_help(self, visit: Visit, call: str) -> None:
        for _ in range(2):
            assert (await CREATES[call](await visit(address=HOME, **FEW))).is_success
        stranger = await visit(address=HOME)
        assert is_refused(await CREATES[call](stranger))
        stranger.cookies.set("avatar_visitor", "x" * 43)
        assert is_refused(await CREATES[call](stranger)), "nor one that they made up"
        assert (await CREATES[call](await visit(address=AWAY))).is_success

    async def test_neighbours_in_a_network_of_ipv6_are_one_address(self, visit: Visit) -> None:
        for host in ("2001:db8::1", "2001:db8:0:1::1"):
            assert (await (await visit(address=host, **FEW)).post(CREATE)).is_success
        assert is_refused(await (await visit(address="2001:db8:0:ff::1")).post(CREATE))
        assert (await (await visit(address="2001:db8:0:100::1")).post(CREATE)).is_success

    async def test_another_site_cannot_use_up_a_visitors_creates(self, visit: Visit) -> None:
        visitor = await visit(**FEW)
        for _ in range(3):
            for method in ("GET", "POST"):
                headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
                answer = await visitor.request(method, CREATE, headers=headers)
                assert is_problem(answer, "cross-site-request", 403)
        assert (await visitor.post(CREATE)).is_success

    async def test_what_cannot_be_opened_counts_all_the_same(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        visitor = await visit(**FEW)
        kaltura.will("create", refusal(500), refusal(500))
        for _ in range(2):
            assert (await visitor.post(CREATE)).status_code == 502
        assert is_refused(await visitor.post(CREATE))

    async def test_the_page_of_another_origin_can_read_what_is_left(self, visit: Visit) -> None:
        visitor = await visit(**FEW, allowed_origins="https://www.example.com")
        answer = await visitor.post(CREATE, headers={"Origin": "https://www.example.com"})
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert {"RateLimit", "RateLimit-Policy", "Date"} <= set(exposed.split(", "))


class TestAskingAgain:
    async def test_whoever_waits_may_ask_every_few_seconds_until_their_turn(
        self, visit: Visit, clock: FakeClock
    ) -> None:
        first = await visit(address=AWAY, **FEW | {"max_concurrent_sessions": 1})
        session = await opened(first)
        waiting = await visit(address=HOME)
        assert (await waiting.post(CREATE)).status_code == 202
        for _ in range(12):
            clock.advance(5)
            await first.post(path(session, "keep-alive"))
            assert (await waiting.post(CREATE)).status_code == 202
        await first.post(path(session, "end"))
        assert (await waiting.post(CREATE)).status_code == 201

    async def test_so_may_one_who_keeps_no_cookie_but_a_ticket(self, visit: Visit) -> None:
        await opened(await visit(address=AWAY, **FEW | {"max_concurrent_sessions": 1}))
        caller = await visit(address=HOME)
        ticket = (await caller.post(CREATE)).json()["ticket"]
        for _ in range(5):
            caller.cookies.clear()
            assert (await caller.post(CREATE, json={"ticket": ticket})).status_code == 202

    async def test_to_line_up_counts(self, visit: Visit) -> None:
        await opened(await visit(address=AWAY, **FEW | {"max_concurrent_sessions": 1}))
        for _ in range(2):
            assert (await (await visit(address=HOME)).post(CREATE)).status_code == 202
        assert is_refused(await (await visit(address=HOME)).post(CREATE))

    async def test_a_place_that_was_missed_is_paid_for_anew(
        self, visit: Visit, clock: FakeClock
    ) -> None:
        settings = FEW | {"max_concurrent_sessions": 1, "session_idle_seconds": 600}
        await opened(await visit(address=AWAY, **settings))
        waiting = await visit(address=HOME)
        for _ in range(2):
            assert (await waiting.post(CREATE)).status_code == 202
            clock.advance(46)
        assert is_refused(await waiting.post(CREATE))

    async def test_a_lost_answer_may_be_fetched_again_and_again(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        visitor = await visit(address=HOME, **FEW)
        answers = [await visitor.post(CREATE, headers=keyed("click")) for _ in range(6)]
        assert {answer.json()["sessionId"] for answer in answers} == {"session-1"}
        assert kaltura.opened == 1
        assert (await visitor.post(CREATE, headers=keyed("other"))).is_success
        assert is_refused(await visitor.post(CREATE, headers=keyed("third")))

    async def test_a_click_that_overlaps_itself_is_counted_once(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        visitor = await visit(address=HOME, **FEW)
        await visitor.get("/")
        gate = Gate(httpx.Response(200, json={"success": True, "sessionId": "s", "token": "t"}))
        kaltura.will("create", gate)
        first = asyncio.create_task(visitor.post(CREATE, headers=keyed("click")))
        await gate.reached.wait()
        others = [
            asyncio.create_task(visitor.post(CREATE, headers=keyed("click"))) for _ in range(4)
        ]
        await asyncio.wait(others, timeout=0.2)
        assert not any(other.done() for other in others), "none is refused while they wait"
        gate.open.set()
        answers = await asyncio.gather(first, *others)
        assert [answer.status_code for answer in answers] == [201] * 5

    async def test_anothers_key_is_not_ones_own(self, visit: Visit) -> None:
        owner = await visit(address=AWAY, **FEW)
        assert (await owner.post(CREATE, headers=keyed("click"))).is_success
        for _ in range(2):
            stranger = await visit(address=HOME)
            assert (await stranger.post(CREATE, headers=keyed("click"))).is_success
        assert is_refused(await (await visit(address=HOME)).post(CREATE, headers=keyed("click")))

    async def test_the_mirror_has_no_line_so_it_is_always_counted(self, visit: Visit) -> None:
        await opened(await visit(address=AWAY, **FEW | {"max_concurrent_sessions": 1}))
        waiting = await visit(address=HOME)
        assert (await waiting.post(CREATE)).status_code == 202
        assert (await CREATES["mirror"](waiting)).status_code == 503
        assert is_refused(await CREATES["mirror"](waiting))


class TestSpeak:
    @pytest.mark.parametrize("call", SPEAKS)
    async def test_one_visitor_may_speak_so_often(
        self, visit: Visit, kaltura: FakeKaltura, call: str
    ) -> None:
        visitor = await visit(**FEW)
        session = await opened(visitor)
        for left in (1, 0):
            answer = await SPEAKS[call](visitor, session)
            assert answer.is_success, answer.text
            assert answer.headers["RateLimit"].startswith(f'"speak";r={left};t=')
        before = len(kaltura.calls)
        assert is_refused(await SPEAKS[call](visitor, session))
        assert len(kaltura.calls) == before

    async def test_every_way_to_speak_is_counted_as_one(self, visit: Visit) -> None:
        visitor = await visit(**FEW)
        session = await opened(visitor)
        for call in ("speak-audio", "say-text"):
            assert (await SPEAKS[call](visitor, session)).is_success
        for speak in SPEAKS.values():
            assert is_refused(await speak(visitor, session))

    async def test_a_second_session_or_address_or_no_cookie_does_not_help(
        self, visit: Visit
    ) -> None:
        home, away = await visit(address=HOME, **FEW), await visit(address=AWAY)
        first, second = await opened(home), await opened(home)
        assert (await SPEAKS["speak"](home, first)).is_success
        assert (await SPEAKS["say-text"](away, second)).is_success
        assert is_refused(await SPEAKS["say-text"](away, first))
        assert is_refused(await SPEAKS["speak"](home, second))

    async def test_visitors_of_one_address_are_counted_together(self, visit: Visit) -> None:
        one, other = await visit(address=HOME, **FEW), await visit(address=HOME)
        first, second = await opened(one), await opened(other)
        assert (await SPEAKS["speak"](one, first)).is_success
        assert (await SPEAKS["speak"](other, second)).is_success
        assert is_refused(await SPEAKS["speak"](one, first))

    async def test_a_stranger_cannot_use_up_a_visitors_speaks(self, visit: Visit) -> None:
        visitor = await visit(address=HOME, **FEW)
        session = await opened(visitor)
        for _ in range(3):
            stranger = await visit(address=HOME)
            await stranger.get("/")
            assert (await SPEAKS["speak"](stranger, session)).status_code == 404
        assert (await SPEAKS["speak"](visitor, session)).is_success


class TestOtherControls:
    SURFACES = pytest.mark.parametrize("prefix", ["/api/avatar-sessions", MIRROR_PATH])

    async def call(
        self, visitor: httpx.AsyncClient, prefix: str, session: dict[str, Any], control: str
    ) -> httpx.Response:
        url = f"{prefix}/{session['sessionId']}/{control}"
        return await visitor.post(url, headers=bearer(session))

    @SURFACES
    async def test_one_visitor_may_interrupt_so_often(
        self, visit: Visit, kaltura: FakeKaltura, prefix: str
    ) -> None:
        visitor = await visit(**FEW)
        session = await opened(visitor)
        for left in (1, 0):
            answer = await self.call(visitor, prefix, session, "interrupt")
            assert answer.headers["RateLimit"].startswith(f'"control";r={left};t=')
        before = len(kaltura.calls)
        assert is_refused(await self.call(visitor, prefix, session, "interrupt"))
        assert len(kaltura.calls) == before

    async def test_visitors_of_one_address_interrupt_so_often_together(self, visit: Visit) -> None:
        visitors = [await visit(address=HOME, **FEW), await visit(address=HOME)]
        sessions = [await opened(visitor) for visitor in visitors]
        for visitor, session in zip(visitors, sessions, strict=True):
            assert (await visitor.post(path(session, "interrupt"))).is_success
        assert is_refused(await visitors[0].post(path(sessions[0], "interrupt")))

    @SURFACES
    async def test_signs_of_life_are_counted_for_their_visitor_and_starve_no_neighbour(
        self, visit: Visit, prefix: str
    ) -> None:
        visitors = [await visit(address=HOME, **FEW), await visit(address=HOME)]
        sessions = [await opened(visitor) for visitor in visitors]
        for visitor, session in zip(visitors, sessions, strict=True):
            for _ in range(2):
                assert (await self.call(visitor, prefix, session, "keep-alive")).is_success
            assert is_refused(await self.call(visitor, prefix, session, "keep-alive"))

    @SURFACES
    async def test_an_end_is_never_refused_and_costs_nothing_when_repeated(
        self, visit: Visit, kaltura: FakeKaltura, prefix: str
    ) -> None:
        visitor = await visit(**FEW)
        session = await opened(visitor)
        for _ in range(3):
            last = await self.call(visitor, prefix, session, "interrupt")
        assert is_refused(last)
        for _ in range(5):
            assert (await self.call(visitor, prefix, session, "end")).is_success
        assert kaltura.operations().count("end") == 1


class TestOneAddress:
    """What the visitors of one network address may have together (see `Places`)."""

    FOUR: ClassVar[dict[str, Any]] = {"max_concurrent_sessions": 5}

    @pytest.mark.parametrize("call", CREATES)
    @pytest.mark.parametrize("network", [[HOME], ["2001:db8::1", "2001:db8:0:ff::1"]])
    async def test_it_leaves_a_session_to_others(
        self, visit: Visit, call: str, network: list[str]
    ) -> None:
        statuses = []
        for n in range(6):
            visitor = await visit(address=network[n % len(network)], **self.FOUR if not n else {})
            statuses.append((await CREATES[call](visitor)).status_code)
        opens, waits = (200, 503) if call == "mirror" else (201, 202)
        assert statuses == [opens] * 4 + [waits] * 2
        assert (await CREATES[call](await visit(address=AWAY))).status_code == opens

    async def test_a_ticket_in_place_of_a_cookie_is_no_way_past_it(self, visit: Visit) -> None:
        for n in range(4):
            await opened(await visit(address=HOME, **self.FOUR if not n else {}))
        ticket = (await (await visit(address=HOME)).post(CREATE)).json()["ticket"]
        again = await (await visit(address=HOME)).post(CREATE, json={"ticket": ticket})
        assert (again.status_code, again.json()["turnSecondsLeft"]) == (202, None)

    async def test_a_services_visitors_are_of_no_address(self, visit: Visit) -> None:
        shop = await visit(address=HOME, **self.FOUR | SERVICES)
        for _ in range(5):
            assert (await shop.post(CREATE, headers=SHOP)).status_code == 201

    @pytest.mark.parametrize(("call", "address"), [("speak-audio", HOME), ("say-audio", AWAY)])
    async def test_a_recording_counts_for_where_it_comes_from(
        self, visit: Visit, monkeypatch: pytest.MonkeyPatch, call: str, address: str
    ) -> None:
        home = await visit(address=HOME)
        session = await opened(home)
        asked = []

        async def full(*args: object) -> None:
            asked.append(args[-1])
            raise QueueFull

        monkeypatch.setattr(Recordings, "prepare", full)
        visitor = home if address == HOME else await visit(address=address)
        assert (await SPEAKS[call](visitor, session)).status_code == 429
        assert asked == [address]


class TestServices:
    async def test_a_service_is_not_counted(self, visit: Visit) -> None:
        shop = await visit(**FEW | SERVICES)
        sessions = [(await shop.post(CREATE, headers=SHOP)).json() for _ in range(5)]
        for session in sessions:
            url = path(session, "speak")
            assert (await shop.post(url, headers=SHOP, json={"text": "Hello"})).is_success
        assert (await (await visit()).post(CREATE)).is_success, "nor is its address"

    async def test_a_token_that_is_no_services_is_counted(self, visit: Visit) -> None:
        guesser = await visit(address=HOME, **FEW | SERVICES)
        for _ in range(2):
            answer = await guesser.post(CREATE, headers={"Authorization": "Bearer a-guess"})
            assert is_problem(answer, "unauthenticated", 401)
        assert is_refused(await guesser.post(CREATE, headers={"Authorization": "Bearer a-guess"}))

    async def test_the_page_of_a_services_session_is_a_visitor_of_its_own(
        self, visit: Visit
    ) -> None:
        every = {"visitor_controls": "speak"}
        shop = await visit(address=AWAY, **FEW | SERVICES | every)
        first, second = [(await shop.post(CREATE, headers=SHOP)).json() for _ in range(2)]
        for address in ("192.0.2.1", "192.0.2.2"):
            assert (await SPEAKS["say-text"](await visit(address=address), first)).is_success
        elsewhere = await visit(address="192.0.2.3")
        assert is_refused(await SPEAKS["say-text"](elsewhere, first))
        assert (await SPEAKS["say-text"](elsewhere, second)).is_success


class TestForwardedAddresses:
    """Through what uvicorn puts before the app when TRUSTED_PROXIES is set."""

    PROXY = "10.1.2.3"

    async def creates(self, forwarded: list[str], *, peer: str) -> list[httpx.Response]:
        """A fresh visitor for each value of `X-Forwarded-For`."""
        app = create_app(settings(**FEW), transports=Transports(kaltura=FakeKaltura()))
        async with LifespanManager(app) as manager:
            proxied = ProxyHeadersMiddleware(manager.app, ["10.0.0.0/8"])  # type: ignore[arg-type] # uvicorn's own types of ASGI
            transport = httpx.ASGITransport(app=proxied, client=(peer, 1))  # type: ignore[arg-type] # likewise
            answers = []
            for value in forwarded:
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://broker.test"
                ) as caller:
                    answers.append(await caller.post(CREATE, headers={"X-Forwarded-For": value}))
            return answers

    async def test_what_a_stranger_forges_changes_nothing(self) -> None:
        *_, last = await self.creates(["192.0.2.1", "192.0.2.2", "192.0.2.3"], peer=HOME)
        assert is_refused(last)

    async def test_behind_a_proxy_each_client_is_its_own(self) -> None:
        answers = await self.creates(["192.0.2.1", "192.0.2.2", "192.0.2.3"], peer=self.PROXY)
        assert all(answer.is_success for answer in answers)

    async def test_behind_a_proxy_what_its_client_forged_does_not_count(self) -> None:
        forged = [f"192.0.2.{number}, {HOME}" for number in range(3)]
        *_, last = await self.creates(forged, peer=self.PROXY)
        assert is_refused(last)

    async def test_of_several_proxies_the_last_stranger_is_the_client(self) -> None:
        chain = [f"192.0.2.{number}, {HOME}, 10.9.9.{number}" for number in range(3)]
        *_, last = await self.creates(chain, peer=self.PROXY)
        assert is_refused(last)


class TestUntrustedProxies:
    """Where nobody has said which proxies count."""

    @pytest.mark.parametrize(
        ("peer", "forwarded", "told"),
        [
            ("127.0.0.1", HOME, 1),
            ("10.1.2.3", HOME, 1),
            ("100.64.0.1", HOME, 1),
            ("fd00::1", HOME, 1),
            ("::ffff:10.1.2.3", HOME, 1),
            ("127.0.0.1", None, 0),
            ("1.1.1.1", HOME, 0),
            ("::ffff:1.1.1.1", HOME, 0),
        ],
    )
    async def test_what_looks_like_a_proxy_is_told_of_once(
        self, visit: Visit, peer: str, forwarded: str | None, told: int
    ) -> None:
        with structlog.testing.capture_logs() as logs:
            visitor = await visit(address=peer)
            for _ in range(3):
                headers = {"X-Forwarded-For": forwarded} if forwarded else {}
                await visitor.get("/healthz", headers=headers)
        assert sum("TRUSTED_PROXIES" in line["event"] for line in logs) == told

    async def test_where_some_count_nothing_is_told(self, visit: Visit) -> None:
        with structlog.testing.capture_logs() as logs:
            visitor = await visit(trusted_proxies="10.0.0.0/8")
            await visitor.get("/healthz", headers={"X-Forwarded-For": HOME})
        assert not [line for line in logs if "TRUSTED_PROXIES" in line["event"]]
