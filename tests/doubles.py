"""Stand-ins that tests script: a Kaltura that answers as told, and a clock that tests turn."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.database import IN_MEMORY
from app.settings import Settings

KS = "canary-ks-7f3a"
KALTURA_TOKEN = "canary-kaltura-jwt-91be"

Answer = httpx.Response | BaseException | Callable[[], Awaitable[httpx.Response]]


class FakeClock:
    """Unix seconds that pass only when told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Call:
    """One request that Kaltura got."""

    operation: str
    session_id: str | None
    authorization: str
    body: Any
    request: httpx.Request


@dataclass
class FakeKaltura(httpx.AsyncBaseTransport):
    """Answers each operation from its script, then with success; remembers every call."""

    calls: list[Call] = field(default_factory=list)
    script: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    opened: int = 0
    whep_url: str = "https://media.kaltura.ai/whep/session/"
    token: str = KALTURA_TOKEN

    def will(self, operation: str, *answers: Answer) -> None:
        """The next answers to `operation`, in order."""
        self.script[operation].extend(answers)

    def operations(self) -> list[str]:
        return [call.operation for call in self.calls]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        *_, before, operation = request.url.path.split("/")
        content = await request.aread()
        is_json = request.headers.get("Content-Type") == "application/json"
        self.calls.append(
            Call(
                operation=operation,
                session_id=None if operation == "create" else before,
                authorization=request.headers["Authorization"],
                body=json.loads(content) if is_json else content,
                request=request,
            )
        )
        if self.script[operation]:
            answer = self.script[operation].popleft()
            if isinstance(answer, BaseException):
                raise answer
            return answer if isinstance(answer, httpx.Response) else await answer()
        return self._success(operation)

    def _success(self, operation: str) -> httpx.Response:
        match operation:
            case "create":
                self.opened += 1
                session_id = f"session-{self.opened}"
                body = {"success": True, "sessionId": session_id, "token": self.token}
            case "init-client":
                body = {"success": True, "whepUrl": self.whep_url}
            case _:
                body = {"success": True}
        return httpx.Response(200, json=body)


class Gate:
    """An answer that waits until the test lets it go."""

    def __init__(self, answer: httpx.Response | None = None) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._answer = answer or httpx.Response(200, json={"success": True})

    async def __call__(self) -> httpx.Response:
        self.reached.set()
        await self.open.wait()
        return self._answer


def refusal(status: int, error: str = "canary-upstream-text") -> httpx.Response:
    """Kaltura's shape of a refusal."""
    return httpx.Response(status, json={"success": False, "error": error})


def settings(**changes: Any) -> Settings:
    """Settings that need nothing from the environment."""
    values: dict[str, Any] = {
        "avatar_ks": KS,
        "avatar_id": "avatar-1",
        "avatar_voice_id": "voice-1",
        "secret_key": "a-signing-key-for-tests-of-32-characters",
        "database_url": IN_MEMORY,
        "create_rate_limit": "10000/minute",
        "speak_rate_limit": "10000/minute",
        "_env_file": None,
    }
    return Settings(**values | changes)
