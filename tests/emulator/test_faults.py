"""The faults an emulator plays on request; those that drop a connection need a real one."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn

from app.emulator.main import create_emulator
from app.emulator.settings import EmulatorSettings
from tests.support.emulator import Clock, House


@pytest.fixture
async def served() -> AsyncIterator[House]:
    """An emulator behind a real server, and a client with a real connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            create_emulator(EmulatorSettings()), log_level="warning", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}"
        ) as client:
            yield House(client, Clock())
        server.should_exit = True
        await serving


class TestPlan:
    async def test_a_fault_is_played_as_often_as_it_says(self, house: House) -> None:
        caller = await house.open()
        await house.play({"operation": "say-text", "kind": "status", "status": 503, "times": 2})

        statuses = [(await caller.say("hello")).status_code for _ in range(3)]

        assert statuses == [503, 503, 200]
        assert (await house.client.get("/emulator/faults")).json() == []

    async def test_without_times_it_is_played_until_it_is_deleted(self, house: House) -> None:
        caller = await house.open()
        await house.play({"operation": "say-text", "kind": "status", "status": 503})
        before = [(await caller.say("hello")).status_code for _ in range(3)]
        deleted = await house.client.delete("/emulator/faults")

        assert deleted.status_code == 204
        assert before == [503] * 3
        assert (await caller.say("hello")).status_code == 200

    async def test_what_is_left_is_shown(self, house: House) -> None:
        caller = await house.open()
        await house.play({"operation": "keep-alive", "kind": "empty", "times": 5})
        await caller.call("keep-alive")

        (left,) = (await house.client.get("/emulator/faults")).json()

        assert (left["operation"], left["kind"], left["times"]) == ("keep-alive", "empty", 4)

    async def test_it_may_be_for_one_session(self, house: House) -> None:
        unlucky, lucky = await house.open(), await house.open()
        await house.play({"kind": "status", "status": 500, "sessionId": unlucky.session_id})

        assert (await lucky.call("keep-alive")).status_code == 200
        assert (await unlucky.call("keep-alive")).status_code == 500

    async def test_the_first_that_fits_is_played(self, house: House) -> None:
        caller = await house.open()
        await house.play(
            {"operation": "end", "kind": "status", "status": 500},
            {"operation": "*", "kind": "status", "status": 502, "times": 1},
            {"operation": "*", "kind": "status", "status": 503},
        )

        statuses = [(await caller.call("keep-alive")).status_code for _ in range(2)]

        assert statuses == [502, 503]

    @pytest.mark.parametrize("fault", [{"kind": "unknown"}, {"kind": "reset", "often": 1}, {}])
    async def test_a_fault_that_is_none_is_refused(
        self, house: House, fault: dict[str, Any]
    ) -> None:
        answer = await house.client.put("/emulator/faults", json=[fault])

        assert answer.status_code == 400
        assert answer.json()["success"] is False


class TestAnswers:
    async def test_status_brings_its_body_and_headers(self, house: House) -> None:
        await house.play(
            {
                "operation": "create",
                "kind": "status",
                "status": 429,
                "headers": {"Retry-After": "7"},
                "body": {"message": "slow down"},
            }
        )
        answer = await house.create()

        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "7"
        assert answer.json() == {"message": "slow down"}

    async def test_status_has_kalturas_shape_unless_told(self, house: House) -> None:
        await house.play({"operation": "create", "kind": "status", "status": 500})

        body = (await house.create()).json()

        assert body == {"success": False, "error": "Internal Server Error"}

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("success-false", {"success": False, "error": "Not this time"}),
            ("wrong-types", {"success": 7, "sessionId": 7, "token": 7, "whepUrl": 7}),
        ],
    )
    async def test_a_200_may_be_a_failure(
        self, house: House, kind: str, body: dict[str, Any]
    ) -> None:
        await house.play({"kind": kind})
        answer = await house.create()

        assert (answer.status_code, answer.json()) == (200, body)

    async def test_exception_is_kalturas_object(self, house: House) -> None:
        await house.play({"kind": "exception"})

        assert (await house.create()).json()["objectType"] == "KalturaAPIException"

    async def test_not_json_empty_huge_and_redirect(self, house: House) -> None:
        await house.play(
            {"kind": "not-json", "times": 1},
            {"kind": "empty", "times": 1},
            {"kind": "huge", "bytes": 100_000, "times": 1},
            {"kind": "redirect", "location": "http://127.0.0.1:9/", "times": 1},
        )
        html, empty, huge, redirect = [await house.create() for _ in range(4)]

        assert html.headers["content-type"] == "text/html"
        assert empty.content == b""
        assert len(huge.content) > 100_000
        assert (redirect.status_code, redirect.headers["location"]) == (302, "http://127.0.0.1:9/")

    async def test_such_an_answer_does_nothing(self, house: House) -> None:
        await house.play({"operation": "create", "kind": "success-false"})
        await house.create()

        assert (await house.client.get("/emulator/sessions")).json()["opened"] == 0


class TestChanges:
    async def test_override_changes_the_true_answer(self, house: House) -> None:
        caller = await house.open()
        await house.play(
            {
                "operation": "init-client",
                "kind": "override",
                "body": {"whepUrl": "http://10.0.0.1/whep", "turn": {"url": "turn.example"}},
                "headers": {"x-served-by": "a"},
            }
        )
        answer = await caller.call("init-client")

        assert answer.headers["x-served-by"] == "a"
        assert answer.json() == {
            "success": True,
            "whepUrl": "http://10.0.0.1/whep",
            "turn": {"url": "turn.example"},
        }
        assert (await caller.view())["state"] == "live"

    async def test_override_removes_what_is_null(self, house: House) -> None:
        caller = await house.open()
        await house.play({"kind": "override", "body": {"whepUrl": None}, "status": 203})
        answer = await caller.call("init-client")

        assert (answer.status_code, answer.json()) == (203, {"success": True})

    async def test_gone_404_is_404_where_410_would_be(self, house: House) -> None:
        caller = await house.open()
        await house.play({"kind": "gone-404"})

        assert (await caller.call("end")).status_code == 200
        assert (await caller.call("end")).status_code == 404

    async def test_keep_queue_lets_an_interrupt_keep_what_waits(self, house: House) -> None:
        caller = await house.open()
        await caller.say("hello")
        await house.play({"operation": "interrupt", "kind": "keep-queue", "times": 1})

        await caller.call("interrupt")
        assert (await caller.view())["queued"] == 1
        await caller.call("interrupt")
        assert (await caller.view())["queued"] == 0

    async def test_delay_answers_late_but_truly(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)

        monkeypatch.setattr("app.emulator.fault_injection.asyncio.sleep", sleep)
        await house.play({"operation": "create", "kind": "delay", "seconds": 30})

        assert (await house.create()).status_code == 200
        assert waited == [30]


class TestConnections:
    async def test_lost_answer_does_it_and_says_nothing(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "lost-answer"})
        with pytest.raises(httpx.RemoteProtocolError):
            await served.create()

        shown = (await served.client.get("/emulator/sessions")).json()
        (call,) = shown["sessions"][0]["calls"]
        assert shown["opened"] == 1
        assert (call["operation"], call["status"]) == ("create", None)

    async def test_delay_does_it_though_the_caller_leaves(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "delay", "seconds": 30})
        with pytest.raises(httpx.ReadTimeout):
            await served.client.post(
                "/v1/avatar-session/create",
                json={"visualConfig": {"id": "ada"}},
                headers={"authorization": "KS a-ks"},
                timeout=0.2,
            )

        assert (await served.client.get("/emulator/sessions")).json()["open"] == 1

    async def test_reset_does_nothing(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "reset"})
        with pytest.raises(httpx.ReadError):
            await served.create()

        shown = (await served.client.get("/emulator/sessions")).json()
        assert shown["opened"] == 0
        assert [(call["operation"], call["status"]) for call in shown["calls"]] == [
            ("create", None)
        ]

    async def test_truncated_ends_before_its_length(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "truncated"})

        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            await served.create()

    async def test_drip_sends_byte_by_byte(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "drip", "seconds": 0.001})
        async with served.client.stream("POST", "/v1/avatar-session/create") as answer:
            parts = [part async for part in answer.aiter_raw()]

        assert len(parts) > 5
        assert b"".join(parts).startswith(b'{"success": true')

    async def test_hang_lasts_until_the_caller_leaves(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "hang", "times": 1})
        with pytest.raises(httpx.ReadTimeout):
            await served.client.post("/v1/avatar-session/create", timeout=0.2)

        assert (await served.create()).status_code == 200

    async def test_hang_may_end_by_itself(self, served: House) -> None:
        await served.play({"operation": "create", "kind": "hang", "seconds": 0})

        with pytest.raises(httpx.RemoteProtocolError):
            await served.create()
