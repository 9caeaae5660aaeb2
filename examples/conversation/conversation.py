"""What a visitor and an avatar say to each other, through a language model."""

import asyncio
import os
import secrets
from typing import Any, Final

import httpx

PROMPT: Final = "You are an avatar that talks with a visitor. Answer in one to three sentences."


def _bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {os.environ[name]}"}


broker = httpx.AsyncClient(
    base_url=f"{os.environ['BROKER_URL']}/api", headers=_bearer("SERVICE_TOKEN"), timeout=60
)
model = httpx.AsyncClient(
    base_url=os.environ["OPENAI_BASE_URL"], headers=_bearer("OPENAI_API_KEY"), timeout=60
)


class Conversation:
    """What a visitor has said in a session, and the answer that is under way."""

    def __init__(self, session_id: str) -> None:
        self._path = f"/avatar-sessions/{session_id}"
        self._words: dict[str, str] = {}
        self._answer: asyncio.Task[Any] | None = None

    async def hear(self, words: str) -> Any:
        """Breaks off the answer that is under way, and says another."""
        if self._answer is not None:
            self._answer.cancel()
        self._answer = answer = asyncio.create_task(self._say_answer_to(words))
        await asyncio.wait([answer])
        return {"state": "interrupted"} if answer.cancelled() else answer.result()

    async def _say_answer_to(self, words: str) -> Any:
        turn = secrets.token_hex(8)
        self._words[turn] = words
        (await broker.post(f"{self._path}/interrupt")).raise_for_status()
        messages = await self._messages()
        asked = {"model": os.environ["OPENAI_MODEL"], "messages": messages, "stream": True}
        async with model.stream("POST", "/chat/completions", json=asked) as written:
            said = await broker.post(
                f"{self._path}/speak?turnId={turn}",
                content=written.raise_for_status().aiter_bytes(),
                headers={"Content-Type": "text/event-stream"},
            )
        return said.raise_for_status().json()

    async def _messages(self) -> list[dict[str, str]]:
        """What was said so far; of an answer that was broken off, what was sent to be said."""
        told = (await broker.get(f"{self._path}/utterances")).raise_for_status().json()
        said = {one["turnId"]: one["text"] for one in told["utterances"]}
        messages = [{"role": "system", "content": PROMPT}]
        for turn, words in self._words.items():
            messages.append({"role": "user", "content": words})
            if said.get(turn):
                messages.append({"role": "assistant", "content": said[turn]})
        return messages
