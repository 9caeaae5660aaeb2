"""The mirror: Kaltura's Control API, spoken to the SDK with the broker's own token."""

from typing import Any

import httpx
import pytest

from app.kaltura.contract import MIRROR_PATH, ClientInit, Operation
from tests.support.doubles import KALTURA_TOKEN, KS, FakeKaltura, refusal
from tests.support.mirror_api import BODIES, path
from tests.support.visitor_api import Visit, bearer, opened, outage

every_operation = pytest.mark.parametrize("operation", list(BODIES))


@every_operation
async def test_the_sdks_calls_work_with_the_brokers_token(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, operation: Operation
) -> None:
    session = await opened(visitor)
    answer = await visitor.post(
        path(session, operation), headers=bearer(session), **BODIES[operation]
    )
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert kaltura.calls[-1].operation == operation
    assert kaltura.calls[-1].authorization == f"Bearer {KALTURA_TOKEN}"


async def test_init_client_is_answered_from_memory_however_often_it_is_asked(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    for _ in range(3):
        answer = await visitor.post(path(session, "init-client"), headers=bearer(session))
        assert ClientInit.model_validate(answer.json()).whep_url == kaltura.whep_url
    assert kaltura.operations().count("init-client") == 1


async def test_in_direct_mode_the_mirrors_init_client_asks_kaltura_once(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(avatar_token_mode="direct")
    session = (
        await visitor.post(f"{MIRROR_PATH}/create", json={"visualConfig": {"id": "avatar-1"}})
    ).json()
    assert kaltura.operations() == ["create"]
    for _ in range(3):
        answer = await visitor.post(path(session, "init-client"), headers=bearer(session))
        assert answer.json()["whepUrl"] == kaltura.whep_url
    assert kaltura.operations() == ["create", "init-client"]


async def test_in_direct_mode_a_failed_init_client_is_not_asked_for_again(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor := await visit(avatar_token_mode="direct"))
    kaltura.will("init-client", refusal(500))
    for status in (503, 410):
        answer = await visitor.post(path(session, "init-client"), headers=bearer(session))
        assert answer.status_code == status
    assert kaltura.operations() == ["create", "init-client", "end"]


@pytest.mark.parametrize(
    ("operation", "upstream", "status", "error"),
    [
        # Each kind of answer once, and for each operation the kinds that could differ.
        *(
            (Operation.SAY_TEXT, upstream, status, None)
            for upstream, status in (
                *((400, 503), (401, 410), (410, 410), (429, 429), (503, 503)),
                (httpx.ReadError(""), 503),
            )
        ),
        *((operation, 404, 410, "Session ended") for operation in BODIES),
        *((operation, 500, 503, None) for operation in BODIES),
    ],
)
async def test_whatever_kaltura_answers_the_sdk_meets_a_status_that_it_knows(
    visit: Visit,
    kaltura: FakeKaltura,
    operation: Operation,
    upstream: int | httpx.ReadError,
    status: int,
    error: str | None,
) -> None:
    visitor = await visit(avatar_token_mode="direct")  # where init-client goes upstream too
    session = await opened(visitor)
    kaltura.will(
        operation, *(refusal(upstream) if isinstance(upstream, int) else upstream for _ in range(3))
    )
    answer = await visitor.post(
        path(session, operation), headers=bearer(session), **BODIES[operation]
    )
    assert "canary" not in answer.text
    if operation is Operation.END and status == 410:
        assert answer.json() == {"success": True}, "what is gone is ended"
    else:
        expected = 503 if operation is Operation.INIT_CLIENT and status == 410 else status
        assert answer.status_code == expected
        assert answer.json()["success"] is False
        assert error is None or expected != status or answer.json()["error"] == error


async def test_say_text_alone_is_enough(visitor: httpx.AsyncClient, kaltura: FakeKaltura) -> None:
    session = await opened(visitor)
    await visitor.post(path(session, "say-text"), headers=bearer(session), json={"text": "Hi"})
    assert set(kaltura.calls[-1].body) == {"text", "turnId", "isFinal"}


async def test_only_named_fields_travel_on(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    body = {"text": "Hi", "turnId": "t", "isFinal": True, "admin": True, "token": "x"}
    answer = await visitor.post(path(session, "say-text"), headers=bearer(session), json=body)
    assert answer.status_code == 200
    assert kaltura.calls[-1].body == {"text": "Hi", "turnId": "t", "isFinal": True}


async def test_without_a_good_token_kalturas_401_is_answered_and_the_cookie_does_not_help(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    before = len(kaltura.calls)
    for operation, authorization in [
        *((operation, None) for operation in BODIES),
        *((Operation.SAY_TEXT, malformed) for malformed in ("Bearer x", "Bearer", "KS x")),
    ]:
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await visitor.post(path(session, operation), headers=headers, **BODIES[operation])
        assert answer.status_code == 401
        assert answer.json() == {"success": False, "error": "Invalid or expired token"}
        assert len(kaltura.calls) == before


async def test_a_token_of_another_session_gets_kalturas_404(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    session, other = await opened(await visit()), await opened(visitor := await visit())
    before = len(kaltura.calls)
    for operation in BODIES:
        answer = await visitor.post(
            path(session, operation), headers=bearer(other), **BODIES[operation]
        )
        assert answer.status_code == 404
        assert answer.json() == {"success": False, "error": "Session not found"}
        assert len(kaltura.calls) == before


async def test_an_ended_session_gets_kalturas_410_and_ending_again_is_success(
    visitor: httpx.AsyncClient,
) -> None:
    session = await opened(visitor)
    await visitor.post(path(session, "end"), headers=bearer(session))
    for operation in BODIES:
        answer = await visitor.post(
            path(session, operation), headers=bearer(session), **BODIES[operation]
        )
        if operation is Operation.END:
            assert answer.json() == {"success": True}
        else:
            assert answer.status_code == 410
            assert answer.json() == {"success": False, "error": "Session ended"}


async def test_bad_bodies_are_kalturas_400(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    for body, content_type in [
        (b'{"text": ""}', "application/json"),
        (b'{"text": 5}', "application/json"),
        (b"{}", "application/json"),
        (b"{", "application/json"),
        (b'{"text": "a"}', "text/plain"),
        (b'{"text": "' + b"a" * 1001 + b'"}', "application/json"),
        (b"[" * 200_000, "application/json"),
    ]:
        headers = bearer(session) | {"Content-Type": content_type}
        answer = await visitor.post(path(session, "say-text"), headers=headers, content=body)
        assert answer.status_code == 400
        assert answer.json()["success"] is False
        assert "say-text" not in kaltura.operations()


async def test_half_a_character_is_named_and_control_characters_are_spaces_here_too(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    for body, status in ((b'{"text": "ab\\ud83d"}', 400), (b'{"text": "a\\u000bb"}', 200)):
        headers = bearer(session) | {"Content-Type": "application/json"}
        answer = await visitor.post(path(session, "say-text"), headers=headers, content=body)
        assert answer.status_code == status
        if status == 400:
            assert "character 3 is half a character (U+D83D)" in answer.json()["error"]
    assert [call.body["text"] for call in kaltura.calls if call.operation == "say-text"] == ["a b"]


async def test_no_other_operation_is_ever_passed_on(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    before = len(kaltura.calls)
    for operation in [
        "say",
        "status",
        "set-emotion",
        "",
        "end/",
        "END",
        "init-client/viewer",
        "%2e%2e",
    ]:
        answer = await visitor.post(path(session, operation), headers=bearer(session))
        assert answer.status_code in {307, 404}
        if answer.status_code == 404:
            assert answer.json()["success"] is False
        assert len(kaltura.calls) == before


async def test_a_missing_text_is_told_in_kalturas_words(visitor: httpx.AsyncClient) -> None:
    session = await opened(visitor)
    for body in [{}, {"text": ""}, {"text": " \n"}, {"text": 5}, {"text": None}]:
        answer = await visitor.post(path(session, "say-text"), headers=bearer(session), json=body)
        assert answer.status_code == 400
        assert answer.json() == {"success": False, "error": "Text is required"}


@every_operation
async def test_while_kaltura_is_down_the_sdk_meets_kalturas_503_at_once(
    visit: Visit, kaltura: FakeKaltura, operation: Operation
) -> None:
    visitor = await visit(avatar_token_mode="direct")  # where init-client goes upstream too
    session = await opened(visitor)
    await outage(await visit(), kaltura)
    before = len(kaltura.calls)
    answer = await visitor.post(
        path(session, operation), headers=bearer(session), **BODIES[operation]
    )
    if operation is Operation.END:
        assert answer.json() == {"success": True}, "an end gets through"
    else:
        assert answer.status_code == 503
        assert answer.json() == {"success": False, "error": "Kaltura is not available"}
        assert answer.headers["Retry-After"] == "3"
        assert set(kaltura.operations()[before:]) <= {"end"}


class TestCreate:
    @pytest.mark.parametrize(
        ("target", "field", "authorization"),
        [
            ("/create", "id", None),
            ("", "avatarId", "KS a-ks-of-the-page"),
            ("/create", "avatarId", "Bearer x"),
        ],
    )
    async def test_the_sdks_own_create_session_works_whatever_ks_the_page_has(
        self,
        visitor: httpx.AsyncClient,
        kaltura: FakeKaltura,
        target: str,
        field: str,
        authorization: str | None,
    ) -> None:
        answer = await visitor.post(
            f"{MIRROR_PATH}{target}",
            json={"clientId": "kaltura-avatar-sdk", "visualConfig": {field: "avatar-1"}},
            headers={} if authorization is None else {"Authorization": authorization},
        )
        assert answer.status_code == 200
        session = answer.json()
        assert set(session) == {"success", "sessionId", "token"}
        assert kaltura.calls[0].authorization == f"KS {KS}"
        assert "a-ks-of-the-page" not in str(kaltura.calls)
        assert KALTURA_TOKEN not in answer.text
        said = await visitor.post(
            path(session, "say-text"), headers=bearer(session), json={"text": "Hi"}
        )
        assert said.json() == {"success": True}

    async def test_only_what_the_operator_offers_is_opened_and_only_that_is_sent(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        visual = {"id": "avatar-1", "admin": True}
        body = {"visualConfig": visual, "voiceConfig": {"id": "voice-1", "speed": 1.5}, "x": 1}
        assert (await visitor.post(f"{MIRROR_PATH}/create", json=body)).status_code == 200
        assert kaltura.calls[0].body == {
            "clientId": "kaltura-avatar-sdk",
            "visualConfig": {"id": "avatar-1"},
            "voiceConfig": {"id": "voice-1", "modelId": "eleven_flash_v2_5"},
        }
        for options in (
            {"visualConfig": {"id": "avatar-9"}},
            {"visualConfig": {"id": "avatar-1"}, "voiceConfig": {"id": "voice-9"}},
        ):
            refused = await visitor.post(f"{MIRROR_PATH}/create", json=options)
            assert refused.status_code == 403
            assert refused.json()["success"] is False
        assert kaltura.operations().count("create") == 1

    async def test_one_visitor_gets_no_more_sessions_here_than_there(
        self, visitor: httpx.AsyncClient
    ) -> None:
        await opened(visitor)
        options = {"visualConfig": {"id": "avatar-1"}}
        assert (await visitor.post(f"{MIRROR_PATH}/create", json=options)).status_code == 429

    async def test_a_page_of_another_site_opens_nothing(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        answer = await visitor.post(
            f"{MIRROR_PATH}/create",
            json={"visualConfig": {"id": "avatar-1"}},
            headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        )
        assert answer.status_code == 403
        assert kaltura.calls == []

    @pytest.mark.parametrize(
        ("upstream", "status"), [(refusal(401), 503), (refusal(429), 429), (refusal(500), 503)]
    )
    async def test_kalturas_failures_come_in_kalturas_shape(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, upstream: Any, status: int
    ) -> None:
        kaltura.will("create", upstream)
        answer = await visitor.post(
            f"{MIRROR_PATH}/create", json={"visualConfig": {"id": "avatar-1"}}
        )
        assert answer.status_code == status
        assert answer.json()["success"] is False


async def test_what_the_operator_does_not_allow_is_refused_while_display_works(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    visitor = await visit(visitor_controls="")
    session = await opened(visitor)
    for operation in ["say-text", "say-audio", "interrupt", "end"]:
        refused = await visitor.post(
            path(session, operation), headers=bearer(session), **BODIES[Operation(operation)]
        )
        assert refused.status_code == 403
        assert refused.json() == {"success": False, "error": "Not allowed here"}
    assert kaltura.operations() == ["create", "init-client"]
    for display in ("init-client", "keep-alive"):
        assert (await visitor.post(path(session, display), headers=bearer(session))).is_success


async def test_no_method_and_no_header_reaches_anything_else_upstream(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    before = len(kaltura.calls)
    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD"]:
        for target in [
            "/create",
            "/{id}/say-text",
            "/{id}/viewer",
            "/..%2fcatalog-item%2flist",
            "/../catalog-item",
        ]:
            answer = await visitor.request(
                method,
                f"{MIRROR_PATH}{target.format(id=session['sessionId'])}",
                headers=bearer(session)
                | {
                    "X-HTTP-Method-Override": "POST",
                    "X-Original-URL": f"{MIRROR_PATH}/{session['sessionId']}/end",
                    "X-Forwarded-Host": "api.avatar.us.kaltura.ai",
                },
            )
            assert answer.status_code in {404, 405}
            assert len(kaltura.calls) == before
