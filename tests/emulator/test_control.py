"""The Control API answers as Kaltura's does (reference 1)."""

import base64
import io
import wave
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.emulator import BASE, KS, Caller, House, OpenHouse

OPERATIONS = ["init-client", "say-text", "say-audio", "interrupt", "keep-alive", "end"]
DAY = 24 * 60 * 60


def recording(seconds: float = 0.5) -> bytes:
    tone = (8000 * np.sin(np.arange(int(16_000 * seconds)) * 0.1)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(tone.tobytes())
    return file.getvalue()


async def say_audio(caller: Caller, audio: bytes | None, **fields: str) -> httpx.Response:
    files = {} if audio is None else {"audio": ("audio", audio)}
    return await caller.call("say-audio", data=fields, files=files or {"x": ("x", b"")})


def refusal(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"success", "error"}
    assert body["success"] is False
    return answer.status_code, body["error"]


class TestCreate:
    @pytest.mark.parametrize("path", ["", "/create"])
    @pytest.mark.parametrize("field", ["id", "avatarId"])
    @pytest.mark.parametrize("scheme", ["KS", "ks"])
    async def test_both_paths_both_fields_and_both_spellings_open_a_session(
        self, house: House, path: str, field: str, scheme: str
    ) -> None:
        answer = await house.client.post(
            f"{BASE}{path}",
            json={"visualConfig": {field: "grace"}, "clientId": "kaltura-avatar-sdk"},
            headers={"authorization": f"{scheme} {KS}"},
        )

        assert answer.status_code == 200
        assert set(answer.json()) == {"success", "sessionId", "token"}
        assert answer.json()["success"] is True
        shown = (await house.client.get("/emulator/sessions")).json()["sessions"]
        assert [(s["avatarId"], s["state"]) for s in shown] == [("grace", "created")]

    @pytest.mark.parametrize("authorization", ["KS invalid-ks", "Bearer a-ks", "KS ", "KS", ""])
    async def test_what_is_no_ks_is_401(self, house: House, authorization: str) -> None:
        answer = await house.client.post(
            f"{BASE}/create", json={}, headers={"authorization": authorization}
        )

        assert refusal(answer) == (401, "Invalid Kaltura Session")

    async def test_a_forbidden_ks_is_403(self, house: House) -> None:
        answer = await house.create(ks="forbidden-ks")

        assert refusal(answer) == (403, "Kaltura Session not authorized")

    async def test_the_ks_of_the_settings_is_the_one(self, open_house: OpenHouse) -> None:
        async with open_house(ks="another") as house:
            assert (await house.create()).status_code == 401
            assert (await house.create(ks="another")).status_code == 200

    @pytest.mark.parametrize("body", [{}, [], "x", None, {"visualConfig": {"id": "../x"}}])
    async def test_a_body_that_names_no_avatar_is_400(self, house: House, body: Any) -> None:
        answer = await house.client.post(
            f"{BASE}/create", json=body, headers={"authorization": f"KS {KS}"}
        )

        assert refusal(answer)[0] == 400

    async def test_a_body_nested_too_deep_is_400(self, house: House) -> None:
        answer = await house.client.post(
            f"{BASE}/create",
            content=b'{"visualConfig":' + b"[" * 100_000,
            headers={"authorization": f"KS {KS}"},
        )

        assert refusal(answer)[0] == 400

    @pytest.mark.parametrize(
        ("voice", "status"),
        [
            ({"id": "eself-1", "modelId": "eleven_flash_v2_5"}, 400),
            ({"id": "eself-1"}, 200),
            ({"id": "other", "modelId": "eleven_flash_v2_5"}, 200),
        ],
    )
    async def test_a_voice_clone_takes_no_model(
        self, house: House, voice: dict[str, str], status: int
    ) -> None:
        answer = await house.create({"visualConfig": {"id": "ada"}, "voiceConfig": voice})

        assert answer.status_code == status

    async def test_beyond_the_limit_it_is_429_until_one_ends(self, open_house: OpenHouse) -> None:
        async with open_house(max_sessions=2) as house:
            first, _ = await house.open(), await house.open()
            assert refusal(await house.create())[0] == 429
            await first.call("end")

            assert (await house.create()).status_code == 200


class TestAuthorisation:
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_every_operation_wants_a_token(self, house: House, operation: str) -> None:
        caller = await house.open()
        caller.token = "no.such.token"

        assert refusal(await caller.call(operation)) == (401, "Invalid or expired token")

    @pytest.mark.parametrize("token", ["", ".", "..", "é.é.é", "a" * 9])
    async def test_what_is_no_token_is_401(self, house: House, token: str) -> None:
        caller = await house.open()
        caller.token = token

        assert refusal(await caller.call("keep-alive"))[0] == 401

    async def test_a_bad_token_learns_of_no_session(self, house: House) -> None:
        caller = await house.open()
        caller.session_id, caller.token = "0123", "no.such.token"

        assert refusal(await caller.call("keep-alive"))[0] == 401

    async def test_a_token_without_a_signature_is_401(self, house: House) -> None:
        caller = await house.open()
        _, claims, _ = caller.token.split(".")
        nothing = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        for header in (nothing, caller.token.split(".")[0]):
            caller.token = f"{header}.{claims}."

            assert refusal(await caller.call("keep-alive"))[0] == 401

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_a_token_controls_only_its_own_session(
        self, house: House, operation: str
    ) -> None:
        caller, other = await house.open(), await house.open()
        caller.token = other.token

        assert refusal(await caller.call(operation)) == (401, "Invalid or expired token")

    async def test_a_token_lasts_a_day(self, house: House) -> None:
        caller = await house.open()
        house.clock.now += DAY - 1
        assert (await caller.call("keep-alive")).status_code == 200
        house.clock.now += 1

        assert refusal(await caller.call("keep-alive")) == (401, "Invalid or expired token")

    async def test_a_token_of_another_emulator_is_worth_nothing(
        self, house: House, open_house: OpenHouse
    ) -> None:
        caller = await house.open()
        async with open_house() as elsewhere:
            caller.token = (await elsewhere.open()).token

        assert refusal(await caller.call("keep-alive"))[0] == 401

    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_an_unknown_session_is_404(self, house: House, operation: str) -> None:
        caller = await house.open()
        caller.session_id = "0123"

        assert refusal(await caller.call(operation)) == (404, "Session not found")


class TestLife:
    @pytest.mark.parametrize("operation", OPERATIONS)
    async def test_an_ended_session_is_410(self, house: House, operation: str) -> None:
        caller = await house.open()
        assert (await caller.call("end")).json() == {"success": True}

        assert refusal(await caller.call(operation)) == (410, "Session ended")

    async def test_a_session_is_created_then_live_then_ended(self, house: House) -> None:
        caller = await house.open()
        states = [(await caller.view())["state"]]
        for operation in ("init-client", "end"):
            await caller.call(operation)
            states.append((await caller.view())["state"])

        assert states == ["created", "live", "ended"]

    async def test_only_the_latest_ended_sessions_are_remembered(
        self, open_house: OpenHouse
    ) -> None:
        async with open_house(max_ended=2) as house:
            callers = [await house.open() for _ in range(3)]
            for caller in callers:
                await caller.call("end")

            statuses = [(await caller.call("keep-alive")).status_code for caller in callers]

            assert statuses == [404, 410, 410]

    async def test_init_client_says_where_the_media_is(self, house: House) -> None:
        caller = await house.open()
        body = (await caller.call("init-client")).json()

        assert set(body) == {"success", "whepUrl"}
        assert body["whepUrl"].startswith("http://127.0.0.1:8001/whep/session/")
        assert caller.session_id not in body["whepUrl"]

    async def test_the_public_url_is_the_base_of_whep_url(self, open_house: OpenHouse) -> None:
        async with open_house(public_url="https://emulator.example/") as house:
            caller = await house.open()
            body = (await caller.call("init-client")).json()

            assert body["whepUrl"].startswith("https://emulator.example/whep/session/")

    async def test_keep_alive_and_interrupt_are_harmless_when_repeated(self, house: House) -> None:
        caller = await house.open()
        for operation in ("keep-alive", "interrupt") * 2:
            assert (await caller.call(operation)).json() == {"success": True}


class TestSayText:
    async def test_each_utterance_waits_behind_the_last(self, house: House) -> None:
        caller = await house.open()
        for number in range(3):
            assert (await caller.say("hello", f"turn-{number}")).json() == {"success": True}

        assert (await caller.view())["queued"] == 3

    @pytest.mark.parametrize(
        "body",
        [
            {"turnId": "t"},
            {"text": "", "turnId": "t"},
            {"text": " \n"},
            {"text": 3},
            {"text": None},
        ],
    )
    async def test_text_is_required(self, house: House, body: dict[str, Any]) -> None:
        caller = await house.open()

        assert refusal(await caller.call("say-text", body)) == (400, "Text is required")
        assert (await caller.view())["queued"] == 0

    @pytest.mark.parametrize("field", [{"turnId": "a b"}, {"isFinal": "perhaps"}])
    async def test_other_fields_must_have_their_types(
        self, house: House, field: dict[str, str]
    ) -> None:
        caller = await house.open()

        assert refusal(await caller.call("say-text", {"text": "hello", **field}))[0] == 400

    async def test_a_full_queue_is_429(self, open_house: OpenHouse) -> None:
        async with open_house(max_queued=1) as house:
            caller = await house.open()
            await caller.say("one")

            assert refusal(await caller.say("two"))[0] == 429

    async def test_interrupt_empties_the_queue(self, house: House) -> None:
        caller = await house.open()
        await caller.say("hello")
        await caller.call("interrupt")

        assert (await caller.view())["queued"] == 0

    async def test_a_body_too_large_is_413(self, house: House) -> None:
        caller = await house.open()

        assert (await caller.say("x" * (1 << 20))).status_code == 413
        assert (await caller.view())["queued"] == 0


class TestSayAudio:
    async def test_a_recording_is_queued(self, house: House) -> None:
        caller = await house.open()
        answer = await say_audio(caller, recording(), turnId="turn-1", duration="0.5")

        assert answer.json() == {"success": True}
        assert (await caller.view())["queued"] == 1

    @pytest.mark.parametrize(
        ("audio", "fields"),
        [
            (None, {"turnId": "t", "duration": "1"}),
            (b"no sound at all", {"turnId": "t", "duration": "1"}),
            (b"", {"turnId": "t", "duration": "1"}),
            (recording(), {"duration": "1"}),
            (recording(), {"turnId": "t"}),
            (recording(), {"turnId": "t", "duration": "soon"}),
            (recording(), {"turnId": "t", "duration": "nan"}),
            (recording(), {"turnId": "t", "duration": "-1"}),
        ],
    )
    async def test_what_is_not_whole_is_400(
        self, house: House, audio: bytes | None, fields: dict[str, str]
    ) -> None:
        caller = await house.open()

        assert refusal(await say_audio(caller, audio, **fields))[0] == 400
        assert (await caller.view())["queued"] == 0

    async def test_a_recording_may_be_larger_than_other_bodies(self, house: House) -> None:
        caller = await house.open()
        answer = await say_audio(caller, recording(20), turnId="t", duration="20")

        assert answer.status_code == 200


class TestEveryAnswer:
    @pytest.mark.parametrize(
        "operation", ["say", "set-emotion", "queue-status", "status", "create"]
    )
    async def test_an_unknown_operation_is_404(self, house: House, operation: str) -> None:
        caller = await house.open()

        assert refusal(await caller.call(operation)) == (404, "Not Found")

    async def test_it_carries_a_request_id(self, house: House) -> None:
        answers = [await house.create(), await house.create(), await house.client.get("/nowhere")]

        assert len({answer.headers["x-request-id"] for answer in answers}) == 3

    async def test_it_echoes_the_callers_request_id(self, house: House) -> None:
        answer = await house.client.get("/", headers={"x-request-id": "abc-1"})

        assert answer.headers["x-request-id"] == "abc-1"

    async def test_any_origin_may_read_it(self, house: House) -> None:
        await house.play({"kind": "status", "status": 503})
        for answer in (
            await house.client.get("/", headers={"origin": "https://app.example"}),
            await house.client.post(f"{BASE}/create", headers={"origin": "https://app.example"}),
        ):
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Location" in answer.headers["access-control-expose-headers"]

    @pytest.mark.parametrize("method", ["POST", "DELETE"])
    async def test_a_preflight_allows_what_players_send(self, house: House, method: str) -> None:
        answer = await house.client.options(
            f"{BASE}/create",
            headers={
                "origin": "https://app.example",
                "access-control-request-method": method,
                "access-control-request-headers": "authorization,content-type,x-request-id",
            },
        )

        assert answer.status_code == 200
        assert method in answer.headers["access-control-allow-methods"]

    async def test_the_root_says_what_this_is(self, house: House) -> None:
        answer = await house.client.get("/")

        assert answer.headers["content-type"].startswith("text/html")
        assert "emulator" in answer.text
        assert "/emulator/sessions" in answer.text
