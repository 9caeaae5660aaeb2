"""By which names the broker may be called."""

import httpx
import pytest

from tests.support.doubles import FakeKaltura
from tests.support.visitor_api import CREATE, Visit, is_problem

PUBLIC = "https://avatar.example.com"
OTHERS = [
    "evil.example",
    "avatar.example.com.evil.example",
    "evil-avatar.example.com",
    "user@evil.example",
    "avatar.example.com@evil.example",
    "203.0.113.7",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1:80",
    "[2001:db8::1]",
    "[",
    "[x]",
    "user@avatar.example.com",
    "avatar.example.com/evil.example",
    "avatar.example.com?evil.example",
    "avatar.example.com evil.example",
    "",
]
OWN = [
    "avatar.example.com",
    "AVATAR.example.com",
    "avatar.example.com:443",
    "avatar.example.com:8000",
    "localhost",
    "localhost:8000",
    "127.0.0.1:8000",
    "127.1.2.3",
    "[::1]:8000",
]


async def test_its_public_name_and_this_machines_are_its_own(visit: Visit) -> None:
    visitor = await visit(public_url=PUBLIC)
    for host in OWN:
        assert (await visitor.get("/", headers={"Host": host})).status_code == 200


async def test_any_other_is_refused(visit: Visit, kaltura: FakeKaltura) -> None:
    visitor = await visit(public_url=PUBLIC)
    for host, method, target in [
        *((host, "POST", CREATE) for host in OTHERS),
        *(("evil.example", "GET", target) for target in ("/", CREATE)),
    ]:
        answer = await visitor.request(method, target, headers={"Host": host})
        assert is_problem(answer, "invalid-request", 400)
        assert "PUBLIC_URL" in answer.json()["detail"]
        assert kaltura.calls == []


async def test_two_names_are_none(visit: Visit) -> None:
    visitor = await visit(public_url=PUBLIC)
    headers = [("Host", "avatar.example.com"), ("Host", "evil.example")]
    request = httpx.Request("GET", f"{PUBLIC}/", headers=headers)
    assert is_problem(await visitor.send(request), "invalid-request", 400)


async def test_the_mirror_refuses_as_kaltura_does(visit: Visit) -> None:
    visitor = await visit(public_url=PUBLIC)
    answer = await visitor.post("/v1/avatar-session/create", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["success"]) == (400, False)


async def test_whatever_watches_it_may_call_it_anything(visit: Visit) -> None:
    visitor = await visit(public_url=PUBLIC)
    for probe in ["/healthz", "/servez", "/readyz"]:
        assert (await visitor.get(probe, headers={"Host": "10.1.2.3:8000"})).status_code == 200


async def test_without_a_public_name_every_name_will_do(visitor: httpx.AsyncClient) -> None:
    assert (await visitor.get("/", headers={"Host": "laptop.local:8000"})).status_code == 200


OPERATOR_TOKEN = "an-operators-token-for-tests"
SERVICE_TOKEN = "a-services-token-for-tests"
TOKENS = {
    "public_url": PUBLIC,
    "operator_token": OPERATOR_TOKEN,
    "service_tokens": f"shop:{SERVICE_TOKEN}",
}
INSIDE = {"Host": "broker:8000"}
AS_OPERATOR = {**INSIDE, "Authorization": f"Bearer {OPERATOR_TOKEN}"}
AS_SERVICE = {**INSIDE, "Authorization": f"Bearer {SERVICE_TOKEN}"}


async def test_who_has_the_operators_token_may_call_it_anything(visit: Visit) -> None:
    visitor = await visit(**TOKENS)
    for path in ["/metrics", "/operator/api/sessions", "/operator/api/audit.csv"]:
        assert (await visitor.get(path, headers=AS_OPERATOR)).status_code == 200
        wrong = await visitor.get(path, headers={**INSIDE, "Authorization": "Bearer wrong"})
        assert is_problem(wrong, "unauthenticated", 401)


@pytest.mark.parametrize("host", ["broker:8000", "10.1.2.3", "[2001:db8::1]:8000"])
async def test_a_service_may_call_it_anything(visit: Visit, host: str) -> None:
    visitor = await visit(**TOKENS)
    headers = {**AS_SERVICE, "Host": host}
    session = (await visitor.post(CREATE, headers=headers)).json()
    speak = f"/api/avatar-sessions/{session['sessionId']}/speak"
    assert (await visitor.post(speak, json={"text": "Hello"}, headers=headers)).status_code == 200
    body = {"visualConfig": {"id": "avatar-1"}}
    mirrored = await visitor.post("/v1/avatar-session/create", json=body, headers=headers)
    assert mirrored.json()["success"]
    assert session["baseUrl"].startswith(PUBLIC)


async def test_nothing_but_a_token_that_is_known_does_without_its_name(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(**TOKENS)
    for method, path, headers in [
        ("GET", "/metrics", INSIDE),
        ("GET", "/metrics", {**AS_OPERATOR, "Cookie": "a=b"}),
        ("GET", "/metrics", {**INSIDE, "Authorization": f"Basic {OPERATOR_TOKEN}"}),
        ("GET", "/", AS_OPERATOR),
        ("GET", "/operator", AS_OPERATOR),
        ("POST", CREATE, AS_OPERATOR),
        ("POST", CREATE, {**AS_SERVICE, "Cookie": "a=b"}),
        ("POST", CREATE, {**INSIDE, "Authorization": "Bearer a.made-up.token"}),
        ("POST", CREATE, {**INSIDE, "Authorization": "Bearer "}),
    ]:
        answer = await visitor.request(method, path, headers=headers)
        assert is_problem(answer, "invalid-request", 400)
        assert kaltura.calls == []
