"""The visitor surface, row by row of the contract."""

import asyncio
import io
import itertools
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.sessions.audio import recordings, subprocess_runner
from app.sessions.clock import SessionClock
from app.sessions.keyring import keyring_of
from app.sessions.readiness import MEMORY_SECONDS
from app.sessions.speech.text.validation import is_silent, speakable
from app.sessions.tokens import Claims, SessionTokens
from tests.support.audio import wav
from tests.support.doubles import KALTURA_TOKEN, KS, FakeClock, FakeKaltura, refusal
from tests.support.doubles import settings as default_settings
from tests.support.visitor_api import (
    CONTROLS,
    CREATE,
    ORIGIN,
    UPSTREAM,
    Visit,
    bearer,
    is_problem,
    opened,
    outage,
    path,
)


class TestCreate:
    async def test_it_answers_what_the_contract_says(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        answer = await visitor.post(CREATE, json={})
        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == {
            "sessionId",
            "token",
            "tokenMode",
            "baseUrl",
            "expiresAt",
            "secondsLeft",
        }
        assert body["tokenMode"] == "sealed"
        assert body["baseUrl"] == f"{ORIGIN}/v1/avatar-session"
        assert body["expiresAt"] == "2027-01-15T08:15:00Z"
        assert len(body["token"].split(".")) == 3
        assert answer.headers["Cache-Control"] == "no-store"
        assert kaltura.calls[0].body["visualConfig"] == {"id": "avatar-1"}

    @pytest.mark.parametrize("body", [b"", b"{}", b"null"])
    async def test_no_body_means_the_defaults(
        self, visitor: httpx.AsyncClient, body: bytes
    ) -> None:
        headers = {"Content-Type": "application/json"} if body else {}
        assert (await visitor.post(CREATE, content=body, headers=headers)).status_code == 201

    async def test_neither_the_ks_nor_kalturas_jwt_is_told(
        self, visitor: httpx.AsyncClient
    ) -> None:
        answer = await visitor.post(CREATE)
        told = answer.text + str(answer.headers.raw)
        assert KS not in told
        assert KALTURA_TOKEN not in told

    async def test_direct_mode_gives_kalturas_own(self, visit: Visit) -> None:
        visitor = await visit(avatar_token_mode="direct")
        body = await opened(visitor)
        assert (body["tokenMode"], body["token"]) == ("direct", KALTURA_TOKEN)
        assert body["baseUrl"] == "https://api.avatar.us.kaltura.ai/v1/avatar-session"
        assert (await visitor.post(path(body, "interrupt"), headers=bearer(body))).is_success

    async def test_public_url_is_what_pages_are_told(self, visit: Visit) -> None:
        body = await opened(await visit(public_url="https://avatar.example.com"))
        assert body["baseUrl"] == "https://avatar.example.com/v1/avatar-session"

    async def test_a_new_visitor_gets_a_cookie_no_script_can_read(
        self, visitor: httpx.AsyncClient
    ) -> None:
        cookie = (await visitor.post(CREATE)).headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie

    async def test_over_https_the_cookie_is_bound_to_the_host(self, visit: Visit) -> None:
        visitor = await visit(public_url="https://avatar.example.com")
        cookie = (await visitor.post(CREATE)).headers["Set-Cookie"]
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie

    async def test_only_offered_avatars_and_voices_can_be_chosen(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        changes = {"avatar_allowed_ids": "avatar-2", "avatar_allowed_voice_ids": "eself-voice-2"}
        visitor = await visit(**changes, max_sessions_per_visitor=5)
        chosen = {"avatarId": "avatar-2", "voiceId": "eself-voice-2"}
        assert (await visitor.post(CREATE, json=chosen)).status_code == 201
        sent = kaltura.calls[0].body
        assert sent["visualConfig"] == {"id": "avatar-2"}
        assert sent["voiceConfig"] == {"id": "eself-voice-2"}, "cloned voices have no model"
        for options in ({"avatarId": "avatar-9"}, {"voiceId": "voice-9"}):
            refused = await visitor.post(CREATE, json=options)
            assert is_problem(refused, "control-not-allowed", 403)

    async def test_a_second_session_of_one_visitor_is_refused_with_a_time_to_retry(
        self, visitor: httpx.AsyncClient
    ) -> None:
        await opened(visitor)
        refused = await visitor.post(CREATE)
        assert is_problem(refused, "too-many-sessions", 429)
        assert int(refused.headers["Retry-After"]) > 0

    async def test_a_full_house_is_told_with_a_time_to_retry(self, visit: Visit) -> None:
        await opened(await visit(max_concurrent_sessions=1, max_waiting=0))
        refused = await (await visit()).post(CREATE)
        assert is_problem(refused, "at-capacity", 503)
        assert int(refused.headers["Retry-After"]) > 0

    async def test_it_sets_no_cookie_for_a_session_that_was_not_opened_twice(
        self, visitor: httpx.AsyncClient
    ) -> None:
        await opened(visitor)
        await visitor.post(path({"sessionId": "session-1"}, "end"))
        assert "Set-Cookie" not in (await visitor.post(CREATE)).headers


class TestCreateByGet:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
            {"Sec-Fetch-Mode": "cors", "Accept-Language": "*", "User-Agent": "node"},
        ],
    )
    async def test_the_docs_one_line_fetch_works(
        self, visitor: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await visitor.get(CREATE, headers=headers)
        assert answer.status_code == 201
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_nothing_else_a_browser_does_opens_a_session(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        for headers in [
            {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
            {
                "Sec-Fetch-Site": "same-origin",
                "Sec-Fetch-Mode": "no-cors",
                "Sec-Fetch-Dest": "image",
            },
            {
                "Sec-Fetch-Site": "same-origin",
                "Sec-Fetch-Mode": "cors",
                "Sec-Fetch-Dest": "empty",
                "Sec-Purpose": "prefetch",
            },
            {"Purpose": "prefetch"},
            {"Origin": "https://evil.example"},
            {"Referer": "https://evil.example/"},
            {"Upgrade-Insecure-Requests": "1"},
            {"User-Agent": "Mozilla/5.0 (Macintosh) Version/16.3 Safari/605.1.15"},
            {"Sec-Fetch-Mode": "navigate"},
            {"Sec-Fetch-Mode": "cors", "Origin": "http://broker.test"},
        ]:
            refused = await visitor.get(CREATE, headers=headers)
            assert is_problem(refused, "cross-site-request", 403)
            assert kaltura.calls == []


every_control = pytest.mark.parametrize("control", list(CONTROLS))


class TestControls:
    async def test_nobody_in_particular_may_not(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        visitor.cookies.clear()
        before = len(kaltura.calls)
        for control in CONTROLS:
            refused = await visitor.post(path(session, control), **CONTROLS[control])
            assert is_problem(refused, "unauthenticated", 401)
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert len(kaltura.calls) == before

    async def test_a_stranger_gets_the_same_404_as_nobody(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        mine, stranger = await visit(), await visit()
        session, theirs = await opened(mine), await opened(stranger)
        before = len(kaltura.calls)
        for control in CONTROLS:
            for headers in ({}, bearer(theirs)):
                foreign = await stranger.post(
                    path(session, control), headers=headers, **CONTROLS[control]
                )
                unknown = await stranger.post(
                    path({"sessionId": "nothing"}, control), headers=headers, **CONTROLS[control]
                )
                assert is_problem(foreign, "session-not-found", 404)
                assert _without_id(foreign) == _without_id(unknown)
            assert len(kaltura.calls) == before

    @every_control
    @pytest.mark.parametrize("by", ["cookie", "token"])
    async def test_the_owner_may_by_cookie_or_by_token(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, control: str, by: str
    ) -> None:
        session = await opened(visitor)
        if by == "token":
            visitor.cookies.clear()
        headers = bearer(session) if by == "token" else {}
        answer = await visitor.post(path(session, control), headers=headers, **CONTROLS[control])
        assert answer.status_code == 200
        assert answer.json()["success"] is True
        assert kaltura.calls[-1].operation == UPSTREAM.get(control, control)
        assert kaltura.calls[-1].authorization == f"Bearer {KALTURA_TOKEN}"

    async def test_an_ended_session_is_told_and_ending_it_again_is_success(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        await visitor.post(path(session, "end"))
        before = len(kaltura.calls)
        for control in CONTROLS:
            answer = await visitor.post(path(session, control), **CONTROLS[control])
            if control == "end":
                assert answer.json() == {"success": True}
            else:
                assert is_problem(answer, "session-ended", 410)
            assert len(kaltura.calls) == before

    @pytest.mark.parametrize("control", ["speak", "speak-audio", "interrupt", "end"])
    async def test_what_the_operator_does_not_allow_is_refused(
        self, visit: Visit, kaltura: FakeKaltura, control: str
    ) -> None:
        others = {"speak", "speak-audio", "interrupt", "end"} - {control}
        visitor = await visit(visitor_controls=",".join(others))
        session = await opened(visitor)
        refused = await visitor.post(path(session, control), **CONTROLS[control])
        assert is_problem(refused, "control-not-allowed", 403)
        assert kaltura.operations() == ["create", "init-client"]
        assert (await visitor.post(path(session, "keep-alive"))).is_success

    async def test_a_malformed_id_is_like_an_unknown_one(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        await opened(visitor)
        before = len(kaltura.calls)
        for session_id in ["..", "%2e%2e", "a%2Fb", "a" * 500, "é", "%00", " "]:
            answer = await visitor.post(f"/api/avatar-sessions/{session_id}/interrupt")
            assert answer.status_code == 404
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert len(kaltura.calls) == before


def _without_id(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "requestId"}


class TestTimeIsOver:
    @every_control
    @pytest.mark.parametrize("by", ["cookie", "token"])
    async def test_a_session_past_its_end_has_ended_whether_or_not_the_reaper_came_by(
        self, visitor: httpx.AsyncClient, clock: FakeClock, control: str, by: str
    ) -> None:
        session = await opened(visitor)
        if by == "token":
            visitor.cookies.clear()
        headers = bearer(session) if by == "token" else {}
        clock.advance(899)
        assert (await visitor.get(path(session), headers=headers)).json()["state"] == "live"
        clock.advance(1)
        answer = await visitor.post(path(session, control), headers=headers, **CONTROLS[control])
        if control == "end":
            assert answer.json() == {"success": True}
        else:
            assert is_problem(answer, "session-ended", 410)
        state = (await visitor.get(path(session), headers=headers)).json()
        assert (state["state"], state["endReason"]) == ("ended", "expired")

    async def test_an_expired_token_of_no_session_is_no_token(
        self, visitor: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        tokens = SessionTokens(keyring_of(default_settings()).signing(), SessionClock(clock, clock))
        expired = tokens.sign(
            Claims("visitor-1", "session-9"), issued_at=clock.now - 9, expires_at=clock.now - 1
        )
        answer = await visitor.post(
            path({"sessionId": "session-9"}, "end"), headers={"Authorization": f"Bearer {expired}"}
        )
        assert is_problem(answer, "unauthenticated", 401)


class TestSpeak:
    async def test_the_turn_id_is_answered_and_sent(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        body = {"text": "  Hello \n", "turnId": "turn-7", "isFinal": False}
        answer = await visitor.post(path(session, "speak"), json=body)
        assert answer.json() == {"success": True, "turnId": "turn-7"}
        assert kaltura.calls[-1].body == {"text": "Hello", "turnId": "turn-7", "isFinal": False}

    async def test_a_turn_id_is_made_when_none_is_given(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        answer = await visitor.post(path(session, "speak"), json={"text": "Hello"})
        assert answer.json()["turnId"] == kaltura.calls[-1].body["turnId"]

    async def test_a_wrong_field_is_named_and_nothing_is_sent(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for body, field in [
            ({}, "text"),
            ({"text": ""}, "text"),
            ({"text": " \n\u200b"}, "text"),
            ({"text": "a" * 1001}, "text"),
            ({"text": 5}, "text"),
            ({"text": None}, "text"),
            ({"text": ["a"]}, "text"),
            ({"text": "a", "turnId": ""}, "turnId"),
            ({"text": "a", "turnId": "a b"}, "turnId"),
            ({"text": "a", "turnId": 5}, "turnId"),
            ({"text": "a", "isFinal": "yes"}, "isFinal"),
            ({"text": "a", "isFinal": 1}, "isFinal"),
            ({"text": "a", "voice": "x"}, "voice"),
            ([], "body"),
            ("text", "body"),
        ]:
            answer = await visitor.post(path(session, "speak"), json=body)
            assert is_problem(answer, "invalid-request", 422)
            assert answer.json()["errors"][0]["field"] == field
        assert "say-text" not in kaltura.operations()
        again = await visitor.post(path(session, "speak"), json={"text": "still here"})
        assert again.status_code == 200

    async def test_a_body_that_is_no_json_is_a_documented_problem_and_nothing_is_sent(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for content, content_type, status in [
            (b"{", "application/json", 400),
            (b'{"text": "a"', "application/json", 400),
            (b"\xff\xfe", "application/json", 400),
            (b"[" * 20_000, "application/json", 400),
            (b'{"text": "\\ud83d"}', "application/json", 422),
            (b"[" * 200_000, "application/json", 413),
            (b'{"text": "' + b"a" * 200_000 + b'"}', "application/json", 413),
            (b'{"text": "a"}', "text/plain", 415),
            (b'{"text": "a"}', "application/x-www-form-urlencoded", 415),
            (b'{"text": "a"}', "multipart/form-data; boundary=x", 415),
            (b'{"text": "a"}', "", 415),
        ]:
            answer = await visitor.post(
                path(session, "speak"), content=content, headers={"Content-Type": content_type}
            )
            assert is_problem(answer, "invalid-request", status)
            assert kaltura.operations() == ["create", "init-client"]

    @hypothesis_settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(text=st.text(max_size=40), turn_id=st.none() | st.text(max_size=10))
    async def test_whatever_is_said_arrives_trimmed_or_is_a_422(
        self,
        visitor: httpx.AsyncClient,
        kaltura: FakeKaltura,
        text: str,
        turn_id: str | None,
    ) -> None:
        sessions = (await visitor.get("/api/avatar-sessions")).json()["sessions"]
        session = sessions[0] if sessions else await opened(visitor)
        await visitor.post(path(session, "interrupt"))  # so that nothing is said before it
        before = len(kaltura.calls)
        body = {"text": text, "turnId": turn_id}
        answer = await visitor.post(path(session, "speak"), json=body)
        if answer.status_code == 200:
            sent = kaltura.calls[before:]
            assert [call.body["text"] for call in sent] == [speakable(text, 1000)][: len(sent)]
            assert len(sent) == (not is_silent(text))
        else:
            assert is_problem(answer, "invalid-request", 422)
            assert len(kaltura.calls) == before

    async def test_a_smaller_limit_is_kept_too(self, visit: Visit) -> None:
        visitor = await visit(max_text_length=5)
        session = await opened(visitor)
        for text, status in (("abcde", 200), ("abcdef", 422)):
            answer = await visitor.post(path(session, "speak"), json={"text": text})
            assert answer.status_code == status


class TestSpeakAudio:
    async def test_the_recording_goes_on_with_its_measured_length(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        answer = await visitor.post(
            path(session, "speak-audio"),
            files={"audio": ("x.png", io.BytesIO(wav(2)), "image/png")},
            data={"turnId": "turn-2", "duration": "7"},
        )
        assert answer.json() == {"success": True, "turnId": "turn-2"}
        assert b'name="duration"\r\n\r\n2.000' in kaltura.calls[-1].body
        assert b"Content-Type: audio/mpeg" in kaltura.calls[-1].body

    async def test_a_length_that_is_sent_counts_for_nothing(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def measured(*_: object, **__: object) -> bytes:
            return b'{"seconds": 2, "silent": false, "refused": null}\n'

        monkeypatch.setattr(subprocess_runner, "run", measured)
        session = await opened(visitor)
        forms: list[dict[str, Any]] = [
            {"data": {"duration": duration}}
            for duration in ("7", "0", "-1", "601", "NaN", "Infinity", "1e999", "1,5", "long", "")
        ]
        forms += [{"data": {"duration": ["1", "2"]}}, {"files": {"duration": b"1"}}]
        mirrored = f"/v1/avatar-session/{session['sessionId']}/say-audio"
        for url, form in itertools.product((path(session, "speak-audio"), mirrored), forms):
            await visitor.post(path(session, "interrupt"))  # so that nothing is said before it
            content = {
                "files": {"audio": wav(2)} | form.get("files", {}),
                "data": form.get("data", {}),
            }
            answer = await visitor.post(url, **content, headers=bearer(session))
            assert answer.status_code == 200
            assert b'name="duration"\r\n\r\n2.000' in kaltura.calls[-1].body

    async def test_what_is_stopped_before_it_is_ready_is_not_said(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reached = asyncio.Event()

        async def endless(*_: object, **__: object) -> bytes:
            reached.set()
            await asyncio.Event().wait()
            return b""

        monkeypatch.setattr(subprocess_runner, "run", endless)
        session = await opened(visitor)
        files = {"audio": wav(1)}
        speaking = asyncio.create_task(visitor.post(path(session, "speak-audio"), files=files))
        await reached.wait()
        assert (await visitor.post(path(session, "interrupt"))).is_success
        assert (await speaking).is_success
        assert kaltura.operations() == ["create", "init-client", "interrupt"]

    async def test_too_many_at_once_are_pushed_back(
        self, visitor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recordings, "MAX_PER_SESSION", 0)
        session = await opened(visitor)
        answer = await visitor.post(path(session, "speak-audio"), files={"audio": wav(1)})
        assert is_problem(answer, "queue-full", 429)
        assert int(answer.headers["Retry-After"]) > 0

    @pytest.mark.parametrize(
        ("files", "data", "status"),
        [
            ({"sound": wav(1)}, {}, 422),
            ({"audio": b"text"}, {}, 415),
            ({"audio": b"ID3 and no sound"}, {}, 422),
            ({"audio": wav(1, loudness=0)}, {}, 422),
            ({"audio": wav(1)}, {"turnId": "a b"}, 422),
            ({"audio": b"ID3" + b"\0" * (11 * 1024 * 1024)}, {"duration": "1"}, 413),
        ],
    )
    async def test_bad_recordings_are_problems_and_nothing_is_sent(
        self,
        visitor: httpx.AsyncClient,
        kaltura: FakeKaltura,
        files: dict[str, bytes],
        data: dict[str, str],
        status: int,
    ) -> None:
        session = await opened(visitor)
        answer = await visitor.post(path(session, "speak-audio"), files=files, data=data)
        assert is_problem(answer, "invalid-request", status)
        assert kaltura.operations() == ["create", "init-client"]


class TestReading:
    async def test_a_visitor_lists_their_own_sessions_and_no_others(self, visit: Visit) -> None:
        mine, stranger = await visit(), await visit()
        session = await opened(mine)
        await opened(stranger)
        listed = (await mine.get("/api/avatar-sessions")).json()["sessions"]
        assert [s["sessionId"] for s in listed] == [session["sessionId"]]
        assert (await (await visit()).get("/api/avatar-sessions")).json() == {"sessions": []}

    async def test_the_state_tells_the_seconds_left_and_why_it_ended(
        self, visitor: httpx.AsyncClient, clock: FakeClock
    ) -> None:
        session = await opened(visitor)
        clock.advance(100)
        state = (await visitor.get(path(session))).json()
        assert (state["state"], state["secondsLeft"]) == ("live", 800)
        assert state["expiresAt"] == session["expiresAt"]
        await visitor.post(path(session, "end"))
        state = (await visitor.get(path(session))).json()
        assert (state["state"], state["secondsLeft"]) == ("ended", 0)
        assert state["endReason"] == "visitor"
        assert (await visitor.get("/api/avatar-sessions")).json() == {"sessions": []}

    async def test_media_is_what_init_client_answered_without_the_token(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        answer = await visitor.get(path(session, "media"))
        assert answer.json() == {"whepUrl": kaltura.whep_url, "turn": None}

    async def test_in_direct_mode_media_is_kalturas_to_tell(self, visit: Visit) -> None:
        visitor = await visit(avatar_token_mode="direct")
        refused = await visitor.get(path(await opened(visitor), "media"))
        assert is_problem(refused, "control-not-allowed", 403)

    @pytest.mark.parametrize("what", ["", "media"])
    async def test_a_stranger_reads_nothing(self, visit: Visit, what: str) -> None:
        session = await opened(await visit())
        stranger = await visit()
        assert is_problem(await stranger.get(path(session, what)), "unauthenticated", 401)
        await opened(stranger)
        assert is_problem(await stranger.get(path(session, what)), "session-not-found", 404)


FAILURES: dict[str, tuple[Any, str, int]] = {
    "a ks that is refused": (refusal(401), "kaltura-credentials-rejected", 502),
    "a ks without rights": (refusal(403), "kaltura-credentials-rejected", 502),
    "too many requests": (refusal(429), "kaltura-busy", 503),
    "a failure": (refusal(500), "kaltura-error", 502),
    "being down": (refusal(503), "kaltura-error", 502),
    "a strange no": (refusal(418), "kaltura-error", 502),
    "a redirect": (httpx.Response(302, headers={"Location": "/"}), "kaltura-error", 502),
    "a no in a 200": (refusal(200), "kaltura-error", 502),
    "no json": (httpx.Response(200, text="<html>canary-upstream-text"), "kaltura-error", 502),
    "a reset": (httpx.ReadError("canary-upstream-text"), "kaltura-error", 502),
    "nobody there": (httpx.ConnectError("canary-upstream-text"), "kaltura-error", 502),
}


@pytest.mark.parametrize(("answer", "name", "status"), FAILURES.values(), ids=FAILURES)
async def test_whatever_create_meets_is_a_documented_problem(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, answer: Any, name: str, status: int
) -> None:
    kaltura.will("create", answer)
    refused = await visitor.post(CREATE)
    assert is_problem(refused, name, status)
    assert "canary" not in refused.text + str(refused.headers.raw)
    assert kaltura.operations() == ["create"]
    if status == 503:
        assert int(refused.headers["Retry-After"]) > 0


async def test_a_text_to_speech_that_is_down_is_told_apart(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    kaltura.will("say-text", refusal(503))
    refused = await visitor.post(path(session, "speak"), json={"text": "Hello"})
    assert is_problem(refused, "speech-unavailable", 503)
    again = await visitor.post(path(session, "speak"), json={"text": "Hello"})
    assert again.status_code == 200, "the session goes on"


async def test_a_slow_kaltura_is_a_504(visit: Visit, kaltura: FakeKaltura) -> None:
    visitor = await visit(upstream_timeout_seconds=1)
    kaltura.will("create", TimeoutError())
    assert is_problem(await visitor.post(CREATE), "kaltura-timeout", 504)


class TestWhileKalturaIsDown:
    async def test_callers_are_told_at_once_and_kaltura_is_left_alone(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor := await visit())
        await outage(other := await visit(), kaltura)
        before = len(kaltura.calls)
        for refused in (
            await other.post(CREATE),
            await visitor.post(path(session, "speak"), json={"text": "Hello"}),
            await visitor.post(path(session, "interrupt")),
        ):
            assert is_problem(refused, "kaltura-unavailable", 503)
            assert refused.headers["Retry-After"] == "3"
        assert len(kaltura.calls) == before

    async def test_a_session_is_ended_all_the_same(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor := await visit())
        await outage(await visit(), kaltura)
        assert (await visitor.post(path(session, "end"))).json() == {"success": True}
        assert kaltura.operations()[-1] == "end"

    async def test_it_is_used_again_within_three_seconds(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
    ) -> None:
        await outage(visitor, kaltura)
        clock.advance(3)
        await opened(visitor)

    async def test_the_broker_is_not_ready_and_becomes_so_by_itself(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, clock: FakeClock
    ) -> None:
        await outage(visitor, kaltura)
        await visitor.post(CREATE)
        answer = await visitor.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["wrong"][0].startswith("kaltura-unavailable: ")
        clock.advance(MEMORY_SECONDS)
        assert (await visitor.get("/readyz")).status_code == 200
