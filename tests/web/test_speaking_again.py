"""One speak, said once: what is sent again is answered as it was the first time."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from app.kaltura.contract import MIRROR_PATH
from app.sessions.audio import subprocess_runner
from app.sessions.speech import idempotency
from tests.support.audio import wav
from tests.support.doubles import FakeKaltura, FakeServices, Gate, refusal, settled
from tests.support.speech import LONG
from tests.support.visitor_api import Visit, bearer, is_problem, keyed, opened, path

Session = dict[str, Any]
Ask = Callable[..., dict[str, Any]]

SOUND: Final = wav(1)


def lines(*texts: str) -> bytes:
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


def speak(session: Session, text: str = "Hello.", **fields: Any) -> dict[str, Any]:
    return {"url": path(session, "speak"), "json": {"text": text, **fields}}


def written(session: Session, text: str = "Hello.", **query: str) -> dict[str, Any]:
    halves = lines(text[:3], text[3:])
    headers = {"Content-Type": "application/x-ndjson"}
    return {
        "url": path(session, "speak"), "content": halves, "params": query, "headers": headers,
    }  # fmt: skip


def speak_audio(session: Session, sound: bytes = SOUND, **fields: str) -> dict[str, Any]:
    return {"url": path(session, "speak-audio"), "files": {"audio": sound}, "data": fields}


def say_text(session: Session, text: str = "Hello.", **fields: Any) -> dict[str, Any]:
    url = f"{MIRROR_PATH}/{session['sessionId']}/say-text"
    return {"url": url, "json": {"text": text, **fields}, "headers": bearer(session)}


def say_audio(session: Session, sound: bytes = SOUND, **fields: str) -> dict[str, Any]:
    url = f"{MIRROR_PATH}/{session['sessionId']}/say-audio"
    return {"url": url, "files": {"audio": sound}, "data": fields, "headers": bearer(session)}


OTHER: Final[dict[Ask, Any]] = {
    speak: "Goodbye.", written: "Goodbye.", say_text: "Goodbye.",
    speak_audio: wav(2), say_audio: wav(2),
}  # fmt: skip
every_way = pytest.mark.parametrize("ask", OTHER, ids=lambda ask: ask.__name__)
with_a_turn = pytest.mark.parametrize(
    "ask", [speak, speak_audio, say_text, say_audio], ids=lambda ask: ask.__name__
)


async def post(
    visitor: httpx.AsyncClient, asked: dict[str, Any], key: str | None = None
) -> httpx.Response:
    headers = asked.get("headers", {}) | (keyed(key) if key else {})
    return await visitor.post(**asked | {"headers": headers})


def said(kaltura: FakeKaltura) -> list[str]:
    return [name for name in kaltura.operations() if name.startswith("say-")]


def told(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    return answer.status_code, answer.json() | {"requestId": 0}


class TestByKey:
    @every_way
    async def test_the_same_key_is_answered_alike_and_said_once(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        first = await post(visitor, ask(session), "k")
        again = [await post(visitor, ask(session), "k") for _ in range(2)]
        assert [told(answer) for answer in again] == [told(first)] * 2
        assert first.status_code == 200
        assert len(said(kaltura)) == 1

    @every_way
    async def test_also_while_the_first_is_under_way(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        gate = Gate()
        kaltura.will("say-text", gate)
        kaltura.will("say-audio", gate)
        first = asyncio.create_task(post(visitor, ask(session), "k"))
        await gate.reached.wait()
        again = asyncio.create_task(post(visitor, ask(session), "k"))
        await settled()
        assert len(said(kaltura)) == 1
        gate.open.set()
        assert told(await again) == told(await first)
        assert len(said(kaltura)) == 1

    @every_way
    async def test_another_text_or_recording_is_a_mistake(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        await post(visitor, ask(session), "k")
        for other in (ask(session, OTHER[ask]), ask(session, turnId="turn-2")):
            refused = await post(visitor, other, "k")
            assert refused.status_code == (400 if MIRROR_PATH in str(refused.url) else 422)
            assert "Idempotency-Key" in refused.text
        assert len(said(kaltura)) == 1

    async def test_a_key_is_of_one_kind_of_speak(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        await post(visitor, speak(session), "k")
        for other in (written(session, "Hello."), speak_audio(session)):
            assert is_problem(await post(visitor, other, "k"), "invalid-request", 422)
        assert (await post(visitor, say_text(session), "k")).is_success, "the mirror is no other"
        assert said(kaltura) == ["say-text"]

    async def test_another_key_is_said_again(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for key in ("a", "b", None, None):
            assert (await post(visitor, speak(session), key)).is_success
        assert said(kaltura) == ["say-text"] * 4

    async def test_a_key_is_its_sessions_own(self, visit: Visit, kaltura: FakeKaltura) -> None:
        for visitor in (await visit(), await visit()):
            session = await opened(visitor)
            assert (await post(visitor, speak(session), "k")).is_success
        assert said(kaltura) == ["say-text"] * 2

    async def test_a_malformed_key_is_named_and_reaches_nothing(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for key in ["", "x" * 256, "a b", "ä"]:
            for ask in OTHER:
                asked = ask(session)
                headers = asked.get("headers", {}) | bearer(session)
                raw = [(name.encode(), value.encode()) for name, value in headers.items()]
                answer = await visitor.post(
                    **asked | {"headers": [*raw, (b"Idempotency-Key", key.encode())]}
                )
                assert answer.status_code == (400 if MIRROR_PATH in asked["url"] else 422)
                assert "Idempotency-Key" in answer.text
                assert said(kaltura) == []


class TestWhatFailed:
    @pytest.mark.parametrize("failure", [refusal(429), refusal(503), httpx.ConnectError("")])
    @with_a_turn
    async def test_what_said_nothing_may_be_tried_again(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask, failure: Any
    ) -> None:
        session = await opened(visitor)
        kaltura.will("say-text", failure)
        kaltura.will("say-audio", failure)
        assert (await post(visitor, ask(session), "k")).is_error
        assert (await post(visitor, ask(session), "k")).is_success

    @pytest.mark.parametrize("failure", [refusal(500), httpx.ReadError(""), TimeoutError()])
    @every_way
    async def test_what_may_have_been_said_is_answered_alike_and_not_said_again(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask, failure: Any
    ) -> None:
        session = await opened(visitor)
        kaltura.will("say-text", failure)
        kaltura.will("say-audio", failure)
        first = await post(visitor, ask(session), "k")
        assert first.is_error
        assert told(await post(visitor, ask(session), "k")) == told(first)
        assert len(said(kaltura)) == 1

    @pytest.mark.parametrize("ask", [speak, written, say_text], ids=lambda ask: ask.__name__)
    async def test_what_the_hook_refused_is_asked_about_again(
        self, visit: Visit, speech: FakeServices, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        visitor = await visit(speech_hook_url="https://hook.test", speech_hook_secret="s" * 32)
        session = await opened(visitor)
        speech.answer = lambda _: httpx.Response(200, json={"action": "refuse"})
        for _ in range(2):
            assert (await post(visitor, ask(session), "k")).status_code == 422
        speech.answer = lambda _: httpx.Response(200, json={"action": "allow"})
        for _ in range(2):
            assert (await post(visitor, ask(session), "k")).is_success
        assert (len(speech.calls), len(said(kaltura))) == (3, 1)

    @pytest.mark.parametrize("behind_others", [False, True])
    async def test_a_written_text_of_which_a_part_is_said_is_not_begun_anew(
        self, visit: Visit, speech: FakeServices, *, behind_others: bool
    ) -> None:
        visitor = await visit(speech_hook_url="https://hook.test", speech_hook_secret="s" * 32)
        session = await opened(visitor)

        def refuse_the_second(request: httpx.Request) -> httpx.Response:
            refused = b"How are you?" in request.content
            return httpx.Response(200, json={"action": "refuse" if refused else "allow"})

        speech.answer = refuse_the_second
        if behind_others:
            await post(visitor, speak(session, LONG))
        asked = written(session, "Hello. How are you?")
        first = await post(visitor, asked, "k")
        assert is_problem(first, "speech-refused", 422)
        utterances = (await visitor.get(path(session, "utterances"))).json()
        assert told(await post(visitor, asked, "k")) == told(first)
        assert (await visitor.get(path(session, "utterances"))).json() == utterances

    async def test_a_written_text_that_was_too_long_is_said_once_as_far_as_it_goes(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        visitor = await visit(max_text_length=20)
        session = await opened(visitor)
        asked = written(session, "Hello. How are you? And more of it. " * 3)
        first = await post(visitor, asked, "k")
        assert is_problem(first, "invalid-request", 422)
        once = len(said(kaltura))
        assert told(await post(visitor, asked, "k")) == told(first)
        assert len(said(kaltura)) == once > 0

    async def test_what_was_stopped_is_not_brought_back(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reached = asyncio.Event()

        async def endless(*_: object, **__: object) -> bytes:
            reached.set()
            await asyncio.Event().wait()
            return b""

        monkeypatch.setattr(subprocess_runner, "run", endless)
        session = await opened(visitor)
        speaking = asyncio.create_task(post(visitor, speak_audio(session), "k"))
        await reached.wait()
        await visitor.post(path(session, "interrupt"))
        first = await speaking
        assert first.json()["state"] == "interrupted"
        assert told(await post(visitor, speak_audio(session), "k")) == told(first)
        assert said(kaltura) == []

    async def test_who_may_not_speak_is_refused_whatever_the_key(
        self, visit: Visit, kaltura: FakeKaltura
    ) -> None:
        visitor = await visit(
            visitor_controls=("end",), service_tokens={"shop": "a-service-token-of-the-shop"}
        )
        service = {"Authorization": "Bearer a-service-token-of-the-shop"}
        session = (await visitor.post("/api/create-avatar-session", headers=service)).json()
        asked = speak(session)
        assert (await post(visitor, asked | {"headers": service}, "k")).is_success
        refused = await post(visitor, asked | {"headers": bearer(session)}, "k")
        assert is_problem(refused, "control-not-allowed", 403)

    @every_way
    async def test_in_a_session_that_has_ended_it_is_gone(
        self, visitor: httpx.AsyncClient, ask: Ask
    ) -> None:
        session = await opened(visitor)
        await post(visitor, ask(session), "k")
        await visitor.post(path(session, "end"))
        assert (await post(visitor, ask(session), "k")).status_code == 410


class TestByTurn:
    @with_a_turn
    async def test_the_end_of_a_turn_that_is_sent_again_is_answered_alike_and_said_once(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        first = await post(visitor, ask(session, turnId="turn-1"))
        assert told(await post(visitor, ask(session, turnId="turn-1"))) == told(first)
        assert len(said(kaltura)) == 1

    @with_a_turn
    async def test_something_else_in_the_same_turn_is_said(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        for content in ([], [OTHER[ask]], []):
            assert (await post(visitor, ask(session, *content, turnId="turn-1"))).is_success
        assert len(said(kaltura)) == 3, "also when it comes back to what it said before"

    @pytest.mark.parametrize("ask", [speak, say_text], ids=["speak", "say_text"])
    async def test_the_parts_of_a_turn_are_all_said_though_they_are_alike(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, ask: Ask
    ) -> None:
        session = await opened(visitor)
        for is_final in (False, False, True, True, False, True):
            asked = ask(session, "Ha!", turnId="turn-1", isFinal=is_final)
            assert (await post(visitor, asked)).is_success
        sent = [call.body["isFinal"] for call in kaltura.calls if call.operation == "say-text"]
        assert sent == [False, False, True, False, True]

    async def test_a_key_of_its_own_says_that_it_is_meant(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for key in ("a", "b"):
            await post(visitor, speak(session, turnId="turn-1"), key)
        assert len(said(kaltura)) == 2

    async def test_what_a_key_has_said_is_recognised_by_its_turn(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura
    ) -> None:
        session = await opened(visitor)
        for key in ("a", None):
            await post(visitor, speak(session, turnId="turn-1"), key)
        assert len(said(kaltura)) == 1


class TestBounds:
    async def test_the_oldest_are_forgotten_first(
        self, visitor: httpx.AsyncClient, kaltura: FakeKaltura, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idempotency, "MAX_REMEMBERED", 2)
        session = await opened(visitor)
        for key in ("a", "b", "c", "c", "b", "a"):
            assert (await post(visitor, speak(session, "x"), key)).is_success
        assert len(said(kaltura)) == 4

    @every_way
    async def test_sending_it_again_costs_nothing(self, visit: Visit, ask: Ask) -> None:
        visitor = await visit(speak_rate_limit="2/minute")
        session = await opened(visitor)
        for key in ("a", "a", "a", "b", "b"):
            assert (await post(visitor, ask(session), key)).is_success
        assert (await post(visitor, ask(session), "c")).status_code == 429
        assert (await post(visitor, ask(session), "a")).is_success

    async def test_the_openapi_document_names_the_header(self, visitor: httpx.AsyncClient) -> None:
        paths = (await visitor.get("/openapi.json")).json()["paths"]
        own, mirrored = "/api/avatar-sessions/{sessionId}/", MIRROR_PATH + "/{sessionId}/"
        for route in (own + "speak", own + "speak-audio", mirrored + "say-text"):
            named = {each["name"] for each in paths[route]["post"]["parameters"]}
            assert "Idempotency-Key" in named

    async def test_it_is_on_record_once(self, visit: Visit) -> None:
        visitor = await visit(operator_token="an-operator-token-for-tests")
        session = await opened(visitor)
        for _ in range(3):
            await post(visitor, speak(session), "k")
        record = await visitor.get(
            "/operator/api/audit?event=say-text",
            headers={"Authorization": "Bearer an-operator-token-for-tests"},
        )
        assert len(record.json()["events"]) == 1
