"""Visitors of replicas: each of their texts is unique, and each of their calls is kept."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Final

import aiohttp

from bench.soak.history import CREATE, END, GONE, PLACE, SPEAK, STOP, UTTERANCES, Call
from bench.soak.simulated_visitor import CallResult
from bench.soak.tally import Tally

CALL_SECONDS: Final = 45
"""How long a visitor waits for an answer; a call may wait long for a new owner of its session."""

TRIES: Final = 40
FINAL: Final = frozenset({"done", "interrupted", "failed"})
FATE_SECONDS: Final = 30
"""How long a visitor waits at the end to learn what became of its texts."""

POLL_SECONDS: Final = 4
PAUSE_SECONDS: Final = (0.2, 3.0)
LENGTH_SECONDS: Final = (5.0, 25.0)
"""How long a visitor uses its session by default, at least and at most."""

WRITTEN: Final = "application/x-ndjson"
"""The type of a text that is being written."""

STREAM_CHANCE: Final = 0.2
LONG_CHANCE: Final = 0.3
STOP_CHANCE: Final = 0.12
LOOK_CHANCE: Final = 0.2
"""The chance of a look at what became of the texts so far."""


@dataclass
class Calls:
    """What all visitors saw."""

    tally: Tally
    calls: list[Call] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    failed_at: dict[str, float] = field(default_factory=dict)

    def note_fate(self, marks: tuple[str, ...], state: str) -> None:
        """Note what a caller is told now of a text."""
        for mark in marks:
            self.told[mark] = state
            if state == "failed":
                self.failed_at.setdefault(mark, time.time())


@dataclass
class SpeakingVisitor:
    """One visitor, which opens a session, speaks, stops, and ends it when all fates are known."""

    http: aiohttp.ClientSession
    seen: Calls
    name: str
    random: Random
    length_seconds: tuple[float, float] = LENGTH_SECONDS
    session_id: str = ""
    ticket: str = ""
    _texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cookie = "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=43))
        self._headers["Cookie"] = f"avatar_visitor={cookie}"

    async def visit(self) -> None:
        """Open a session, use it for a while, and end it."""
        self.seen.tally.visitors += 1
        if not await self._open():
            return
        until = time.monotonic() + self.random.uniform(*self.length_seconds)
        while time.monotonic() < until:
            if self.random.random() < LOOK_CHANCE:
                await self._look()
            is_over = await (self._stop if self.random.random() < STOP_CHANCE else self._speak)()
            if is_over:
                return
            await asyncio.sleep(self.random.uniform(*PAUSE_SECONDS))
        await self._wait_for_fates()
        await self._end()

    async def visit_silently(self) -> None:
        """Open a session, have it for a while, and end it."""
        self.seen.tally.visitors += 1
        if await self._open():
            await asyncio.sleep(self.random.uniform(*self.length_seconds))
            await self._end()

    async def _end(self) -> None:
        for _ in range(TRIES):
            ended = await self._control(END)
            if ended.status in {HTTPStatus.OK, *GONE}:
                return
            await asyncio.sleep(1)

    # Opening a session

    async def _open(self) -> bool:
        key = f"{self.random.getrandbits(64):x}"
        for _ in range(TRIES):
            answer = await self._call(CREATE, CREATE, {"Idempotency-Key": key}, key=key)
            if answer.status == HTTPStatus.CREATED:
                self.session_id = answer.content["sessionId"]
                self._headers["Authorization"] = f"Bearer {answer.content['token']}"
                return True
            if answer.status == HTTPStatus.ACCEPTED:
                self.ticket = answer.content["ticket"]
                await self._wait_in_line()
            else:
                await asyncio.sleep(self.random.uniform(*PAUSE_SECONDS))
        return False

    async def _wait_in_line(self) -> None:
        """Wait until it is this visitor's turn, or the place is lost."""
        while True:
            place = await self._call(PLACE, f"{PLACE}/{self.ticket}?wait={POLL_SECONDS}")
            if place.status == HTTPStatus.OK and place.content["turnSecondsLeft"] is None:
                continue
            if place.status in {HTTPStatus.OK, *GONE}:
                return
            await asyncio.sleep(1)

    # Using it

    async def _speak(self) -> bool:
        count = self.random.randint(2, 4) if self.random.random() < LONG_CHANCE else 1
        marks = tuple(f"{self.name}x{self.random.getrandbits(32):08x}" for _ in range(count))
        sentences = [f"So it goes {mark}." for mark in marks]
        turn_id = f"turn-{marks[0]}"
        if self.random.random() < STREAM_CHANCE:
            lines = "".join(json.dumps({"text": f"{each} "}) + "\n" for each in sentences)
            kind = {"Content-Type": WRITTEN}
            path, data = f"{SPEAK}?turnId={turn_id}", lines
        else:
            kind = {"Content-Type": "application/json"}
            path, data = SPEAK, json.dumps({"text": " ".join(sentences), "turnId": turn_id})
        answer = await self._control(SPEAK, path, kind, marks=marks, data=data)
        if answer.status == HTTPStatus.OK:
            self._texts[turn_id] = marks
        return answer.status in GONE and await self._is_over()

    async def _stop(self) -> bool:
        answer = await self._control(STOP)
        return answer.status in GONE and await self._is_over()

    async def _is_over(self) -> bool:
        """Whether the session is over, after a call that said so; it is asked again."""
        for _ in range(3):
            await asyncio.sleep(1)
            if (await self._control("keep-alive")).status not in GONE:
                return False
        return True

    async def _wait_for_fates(self) -> None:
        """Read what became of the texts, until that of each is final."""
        until = time.monotonic() + FATE_SECONDS
        while time.monotonic() < until:
            status, states = await self._look()
            if status in GONE or (status == HTTPStatus.OK and FINAL.issuperset(states)):
                return
            await asyncio.sleep(1)

    async def _look(self) -> tuple[int, set[str]]:
        """Read what became of the texts; the answer's status and the states."""
        listed = await self._control(UTTERANCES, method="GET")
        states = {one["turnId"]: one["state"] for one in listed.content.get("utterances", ())}
        for turn_id, state in states.items():
            self.seen.note_fate(self._texts.get(turn_id, ()), state)
        return listed.status, set(states.values())

    # Calls

    async def _control(
        self,
        operation: str,
        path: str = "",
        headers: dict[str, str] | None = None,
        method: str = "POST",
        marks: tuple[str, ...] = (),
        data: str | None = None,
    ) -> CallResult:
        where = f"avatar-sessions/{self.session_id}/{path or operation}"
        return await self._call(operation, where, headers, method, marks=marks, data=data)

    async def _call(
        self,
        operation: str,
        path: str,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        key: str = "",
        marks: tuple[str, ...] = (),
        data: str | None = None,
    ) -> CallResult:
        if operation == PLACE:
            method = "GET"
        start, answer = time.time(), CallResult()
        try:
            async with self.http.request(
                method, f"/api/{path}", headers={**self._headers, **(headers or {})}, data=data
            ) as got:
                answer = CallResult(got.status, await got.json(content_type=None) or {})
        except (aiohttp.ClientError, TimeoutError, ValueError):
            self.seen.tally.unanswered()
        else:
            self.seen.tally.answered(answer.status, answer.content)
        opened = answer.content.get("sessionId", "") if operation == CREATE else self.session_id
        is_waiting = operation == PLACE or answer.status == HTTPStatus.ACCEPTED
        self.seen.calls.append(
            Call(
                visitor=self.name,
                operation=operation,
                start=start,
                end=time.time(),
                status=answer.status,
                session_id=opened,
                key=key,
                ticket=answer.content.get("ticket", self.ticket) if is_waiting else "",
                is_turn=answer.content.get("turnSecondsLeft") is not None,
                marks=marks,
                is_written=(headers or {}).get("Content-Type") == WRITTEN,
            )
        )
        return answer
