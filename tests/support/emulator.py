"""An emulator under test, and those who call it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

KS = "a-ks"

BASE = "/v1/avatar-session"


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Someone with one session's token."""

    client: httpx.AsyncClient
    session_id: str
    token: str

    async def call(self, operation: str, json: Any = None, **options: Any) -> httpx.Response:
        options.setdefault("headers", {})["authorization"] = f"Bearer {self.token}".encode()
        return await self.client.post(f"{BASE}/{self.session_id}/{operation}", json=json, **options)

    async def say(self, text: str, turn_id: str = "turn-1") -> httpx.Response:
        return await self.call("say-text", {"text": text, "turnId": turn_id, "isFinal": True})

    async def whep_path(self) -> str:
        answer = await self.call("init-client")
        return httpx.URL(answer.json()["whepUrl"]).path

    async def view(self) -> dict[str, Any]:
        """What the emulator shows of this session."""
        shown = (await self.client.get("/emulator/sessions")).json()
        return next(s for s in shown["sessions"] if s["sessionId"] == self.session_id)


@dataclass
class House:
    """A running emulator, and a client of it."""

    client: httpx.AsyncClient
    clock: Clock

    async def create(self, body: Any = None, ks: str = KS) -> httpx.Response:
        body = {"visualConfig": {"id": "ada"}} if body is None else body
        return await self.client.post(
            f"{BASE}/create", json=body, headers={"authorization": f"KS {ks}"}
        )

    async def open(self, body: Any = None) -> Caller:
        answer = await self.create(body)
        assert answer.status_code == 200, answer.text
        return Caller(self.client, answer.json()["sessionId"], answer.json()["token"])

    async def play(self, *faults: dict[str, Any]) -> None:
        answer = await self.client.put("/emulator/faults", json=list(faults))
        assert answer.status_code == 200, answer.text


class OpenHouse(Protocol):
    """Starts an emulator with other settings."""

    def __call__(self, **changes: Any) -> AbstractAsyncContextManager[House]: ...
