"""Over real sockets that stall and break: every text in order, and none of them twice."""

import asyncio
import json
import random
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from enum import StrEnum

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.kaltura.contract import MIRROR_PATH
from app.main import create_app
from app.sessions.speech.backlog import MAX_QUEUED
from tests.support.doubles import FakeClock, settings


class Weather(StrEnum):
    """What becomes of a say-text."""

    FINE = "it is said"
    STALL = "it is said, and the answer takes its time"
    BUSY = "429, and it is not said"
    RESET = "the connection is reset before it is read"
    LOST = "it is said, and the connection breaks before the answer"


class Kaltura:
    """A server on a port of its own; `said` is what it was told to say and did."""

    def __init__(self) -> None:
        self.weather: deque[Weather] = deque()
        self.said: list[str] = []
        self._session = {
            "success": True,
            "sessionId": "session-1",
            "token": "a.kaltura.jwt",
            "whepUrl": "https://media.kaltura.ai/whep/1",
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            weather = Weather.FINE
            if "/say-text " in head:
                weather = self.weather.popleft()
            if weather is Weather.RESET:
                linger = struct.pack("ii", 1, 0)  # to close a socket that lingers is to reset it
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                break
            length = next(line for line in head.lower().splitlines() if "content-length" in line)
            body = json.loads(await reader.readexactly(int(length.partition(":")[2])) or b"{}")
            if "/say-text " in head and weather is not Weather.BUSY:
                self.said.append(body["text"])
            if weather is Weather.LOST:
                break
            await asyncio.sleep(0.05 * (weather is Weather.STALL))
            status = "429 Too Many Requests" if weather is Weather.BUSY else "200 OK"
            answer = json.dumps(self._session).encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(answer)}\r\n\r\n".encode()
                + answer
            )
        writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


@pytest.fixture
async def kaltura() -> Kaltura:
    return Kaltura()


@pytest.fixture
async def visitor(kaltura: Kaltura, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    """One of a broker that reaches Kaltura as it does in earnest."""
    async with await asyncio.start_server(kaltura.serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        app = create_app(
            settings(
                avatar_base_url=f"http://{host}:{port}{MIRROR_PATH}",
                speak_rate_limit="1000/minute",
                session_idle_seconds=3600,
                session_max_seconds=3600,
            ),
            clocks=clock.clocks,
        )
        async with (
            LifespanManager(app) as manager,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(manager.app), base_url="http://broker.test"
            ) as visitor,
        ):
            yield visitor


async def test_fifty_speaks_over_connections_that_break_are_said_in_order_and_once(
    kaltura: Kaltura, visitor: httpx.AsyncClient, clock: FakeClock
) -> None:
    session = (await visitor.post("/api/create-avatar-session")).json()
    path = f"/api/avatar-sessions/{session['sessionId']}"
    weathers = random.Random(1).choices(list(Weather), weights=(4, 2, 2, 1, 1), k=200)
    kaltura.weather.extend(weathers)
    texts = [f"Text number {number}." for number in range(MAX_QUEUED)]

    async def speak(text: str) -> int:
        return (await visitor.post(f"{path}/speak", json={"text": text})).status_code

    async def receipts() -> dict[str, str]:
        told = (await visitor.get(f"{path}/utterances")).json()["utterances"]
        return {receipt["text"]: receipt["state"] for receipt in told}

    speaking = [asyncio.create_task(speak(text)) for text in texts]
    over = {"done", "failed"}
    while not all(task.done() for task in speaking) or set((await receipts()).values()) - over:
        for _ in range(25):  # to look at all texts costs more than to say one
            clock.advance(0.1)
            await asyncio.sleep(0.002)  # what is on its way arrives in real time
    assert set(await asyncio.gather(*speaking)) <= {200, 429, 502, 504}
    fates = await receipts()
    assert list(fates) == texts
    assert kaltura.said == sorted(set(kaltura.said), key=texts.index)
    assert {text for text in texts if fates[text] == "done"} <= set(kaltura.said)
    met = set(weathers[: len(weathers) - len(kaltura.weather)])
    assert met == set(Weather)
    assert "failed" in fates.values()
