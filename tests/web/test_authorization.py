"""Whose token it is, in which header, and what becomes of one that is for somebody else."""

import base64
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from app.kaltura.contract import MIRROR_PATH, Operation
from tests.support.doubles import KALTURA_TOKEN, FakeKaltura
from tests.support.forgery import SIGNING, signed
from tests.support.mirror_api import BODIES
from tests.support.operators import TOKEN, signed_in
from tests.support.services import SERVICES, SHOP
from tests.support.visitor_api import CONTROLS, CREATE, Visit, bearer, is_problem, opened, path

KEY = ECKey.generate_key("P-256")
WISH = {"visualConfig": {"id": "avatar-1"}}


def id_token(**claims: Any) -> str:
    """What an identity-aware proxy passes on of whom it has signed in."""
    said = {"iss": "https://proxy.test", "sub": "alice", "aud": "proxy", "exp": 1} | claims
    return jwt.encode({"alg": "ES256", "kid": "1"}, said, KEY)


BASIC = f"Basic {base64.b64encode(b'alice:secret').decode()}"
OF_A_PROXY = {
    "Basic": BASIC,
    "an ID token": f"Bearer {id_token()}",
    "one with a sid, as Keycloak's": f"Bearer {id_token(sid='session-1')}",
    "one without its signature, as Cloud Run's": f"Bearer {id_token().rpartition('.')[0]}.REMOVED",
    "one that is signed with a secret": "Bearer "
    + jwt.encode({"alg": "HS256"}, {"iss": "proxy", "sub": "alice"}, OctKey.import_key("s" * 32)),
    "Negotiate": "Negotiate YIIZ",
}
every_proxy = pytest.mark.parametrize("authorization", OF_A_PROXY.values(), ids=list(OF_A_PROXY))


def own(token: str) -> dict[str, str]:
    return {"Avatar-Token": token}


# The broker's own header


async def test_the_brokers_own_header_is_as_good_as_authorization(
    visitor: httpx.AsyncClient,
) -> None:
    session = await opened(visitor)
    visitor.cookies.clear()
    for control in CONTROLS:
        for beside in [{}, {"Authorization": BASIC}, {"Authorization": "Bearer x"}]:
            headers = own(session["token"]) | beside
            said = await visitor.post(path(session, control), headers=headers, **CONTROLS[control])
            assert said.json()["success"] is True
            assert (await visitor.get(path(session), headers=headers)).is_success


@pytest.mark.parametrize("operation", list(BODIES))
async def test_the_mirror_takes_it_too(visitor: httpx.AsyncClient, operation: Operation) -> None:
    session = await opened(visitor)
    target = f"{MIRROR_PATH}/{session['sessionId']}/{operation}"
    headers = own(session["token"]) | {"Authorization": BASIC}
    answer = await visitor.post(target, headers=headers, **BODIES[operation])
    assert answer.json()["success"] is True


async def test_services_and_operators_may_use_it(visit: Visit) -> None:
    caller = await visit(operator_token=TOKEN, **SERVICES)
    token = SHOP["Authorization"].removeprefix("Bearer ")
    session = (await caller.post(CREATE, headers=own(token))).json()
    assert (await caller.post(path(session, "end"), headers=own(token))).is_success
    assert (await caller.get("/operator/api/health", headers=own(TOKEN))).is_success
    assert is_problem(await caller.post(CREATE, headers=own(token[:-1])), "unauthenticated", 401)


async def test_where_it_is_sent_authorization_does_not_count(visitor: httpx.AsyncClient) -> None:
    session = await opened(visitor)
    good = session["token"]
    for bad in ([good, good], [""], ["x"], [id_token()], [signed(good, exp=1)]):
        sent = [("Authorization", f"Bearer {good}"), *(("Avatar-Token", one) for one in bad)]
        refused = await visitor.post(path(session, "interrupt"), headers=sent)
        assert is_problem(refused, "unauthenticated", 401), bad


async def test_a_page_of_an_allowed_origin_may_send_it(visit: Visit) -> None:
    origin = "https://app.example"
    visitor = await visit(allowed_origins=origin)
    asked = await visitor.options(
        CREATE,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "avatar-token,content-type",
        },
    )
    assert asked.status_code == 200
    session = await opened(visitor)
    visitor.cookies.clear()
    cross = {"Origin": "https://held.example", "Sec-Fetch-Site": "cross-site"}
    answer = await visitor.post(path(session, "end"), headers=own(session["token"]) | cross)
    assert answer.is_success, "whoever holds the token may use it"


# A proxy's sign-in


@every_proxy
async def test_what_a_proxy_sends_for_itself_changes_nothing(
    visitor: httpx.AsyncClient, authorization: str
) -> None:
    visitor.headers["Authorization"] = authorization
    session = await opened(visitor)
    assert "avatar_visitor" in visitor.cookies
    for target in (path(session), path(session, "media"), "/api/avatar-sessions", "/"):
        assert (await visitor.get(target)).is_success
    for control, content in CONTROLS.items():
        said = await visitor.post(path(session, control), **content)
        assert said.json()["success"] is True
    created = await visitor.post(f"{MIRROR_PATH}/create", json=WISH)
    assert created.json()["success"] is True


async def test_it_opens_no_session_of_anyones_and_nobody_without_a_cookie_has_one(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    visitor.cookies.clear()
    for authorization in OF_A_PROXY.values():
        visitor.headers["Authorization"] = authorization
        before = len(kaltura.calls)
        for control, content in CONTROLS.items():
            refused = await visitor.post(path(session, control), **content)
            assert is_problem(refused, "unauthenticated", 401)
        target = f"{MIRROR_PATH}/{session['sessionId']}/end"
        assert (await visitor.post(target)).status_code == 401
        assert len(kaltura.calls) == before


async def test_another_sites_page_gets_nothing_by_what_the_proxy_adds(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    """The browser keeps its cookies back, but the proxy adds its token to every request."""
    for authorization in OF_A_PROXY.values():
        headers = {
            "Authorization": authorization,
            "Origin": "https://evil.example",
            "Sec-Fetch-Site": "cross-site",
        }
        for target in (CREATE, f"{MIRROR_PATH}/create"):
            refused = await visitor.post(target, headers=headers, json=WISH)
            assert refused.status_code == 403
        assert kaltura.calls == []


async def test_the_operators_pages_work_behind_it(visit: Visit) -> None:
    operator = await signed_in(await visit(operator_token=TOKEN))
    for authorization in OF_A_PROXY.values():
        operator.headers["Authorization"] = authorization
        assert (await operator.get("/operator/api/health")).is_success
        operator.cookies.clear()
        for _ in range(20):
            assert (await operator.get("/operator/api/health")).status_code == 401
        assert (await (await signed_in(operator)).get("/operator/api/health")).is_success, (
            "no guesses"
        )


async def test_a_service_is_known_behind_it(visit: Visit) -> None:
    caller = await visit(**SERVICES)
    token = SHOP["Authorization"].removeprefix("Bearer ")
    for authorization in OF_A_PROXY.values():
        headers = own(token) | {"Authorization": authorization}
        answer = await caller.post(CREATE, headers=headers)
        assert answer.status_code == 201
        assert "Set-Cookie" not in answer.headers
        assert (await caller.post(path(answer.json(), "end"), headers=headers)).is_success


async def test_a_token_that_may_be_a_mistyped_one_of_ours_opens_no_session_as_somebody_else(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    caller = await visit(**SERVICES)
    await caller.get("/")
    for token in [
        "shop-token-of-16-and-mor",
        "eyJhbGciOiJIUzI1NiJ9",
        "a.b.c",
        "ya29.a0AfH6SMBx.opaque",
        jwt.encode({"alg": "HS256"}, {"sub": "me", "sid": "s"}, OctKey.import_key("k" * 32)),
        jwt.encode({"alg": "HS256"}, {"sub": "me", "sid": "s", "exp": 1}, OctKey(SIGNING, SIGNING)),
        jwt.encode({"alg": "ES256"}, {"sub": "alice"}, KEY),
        jwt.encode({"alg": "ES256"}, {"sub": "alice", "iss": ["https://proxy.test"]}, KEY),
    ]:
        for headers in ({"Authorization": f"Bearer {token}"}, own(token)):
            for method in ("GET", "POST"):
                refused = await caller.request(method, CREATE, headers=headers)
                assert is_problem(refused, "unauthenticated", 401)
    assert is_problem(await caller.post(CREATE, headers=own(id_token())), "unauthenticated", 401)
    assert kaltura.calls == []


async def test_a_service_whose_token_names_an_issuer_is_known_all_the_same(visit: Visit) -> None:
    token = id_token()
    caller = await visit(service_tokens=f"shop:{token}", operator_token=token)
    session = (await caller.post(CREATE, headers=bearer({"token": token}))).json()
    assert (await caller.post(path(session, "end"), headers=bearer({"token": token}))).is_success
    assert (await caller.get("/operator/api/health", headers=bearer({"token": token}))).is_success


async def test_in_direct_mode_kalturas_token_may_name_its_issuer(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    kaltura.token = id_token(iss="kaltura")
    visitor = await visit(avatar_token_mode="direct")
    session = await opened(visitor)
    visitor.cookies.clear()
    assert session["token"] == kaltura.token != KALTURA_TOKEN
    assert (await visitor.post(path(session, "interrupt"), headers=bearer(session))).is_success
    assert (await visitor.post(path(session, "end"), headers=own(session["token"]))).is_success
