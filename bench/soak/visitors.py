"""Visitors with all their habits, good and bad."""

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Final

import aiohttp

from bench.soak.ledger import Ledger

MOST_DEEDS: Final = 8
TRIES: Final = 8
"""How often a visitor asks for a session before they go away."""

DOUBLE_CLICK: Final = 0.2
GIVES_UP: Final = 0.03
"""At each look at their place in line, and when it is their turn."""

GIVES_UP_SILENTLY: Final = 0.3

WAIT_SECONDS: Final = 4
RELOAD_SECONDS: Final = (0.1, 4.0)
"""Most reloads are in time, some are not: a session waits 3 s for its page."""

PAUSE_SECONDS: Final = (0.05, 0.8)
OVER: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True)
class Answer:
    """Status and content; 0 and nothing when there was none."""

    status: int = 0
    content: dict[str, Any] = field(default_factory=dict)


@dataclass
class Visitor:
    """One visitor, the same for the same random numbers as far as answers allow."""

    http: aiohttp.ClientSession
    ledger: Ledger
    random: Random
    session: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A cookie of their own making, so that all they do is theirs from the first call on.
        cookie = "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=43))
        self._cookie = {"Cookie": f"avatar_visitor={cookie}"}

    async def visit(self) -> None:
        """Come in, do this and that, and go, with or without a word."""
        self.ledger.visitors += 1
        if not await self._comes_in():
            return
        deeds: list[Callable[[], Awaitable[Answer]]] = [
            *[self._speaks] * 5,
            *[self._interrupts, self._watches] * 2,
            *[self._plays, self._looks, self._reloads],
        ]
        for _ in range(self.random.randint(1, MOST_DEEDS)):
            answer = await self.random.choice(deeds)()
            if answer.status in OVER:
                return
            await self._pause()
        await self.random.choice([self._ends, self._ends, self._closes_the_tab, _vanishes])()

    # Coming in

    async def _comes_in(self) -> bool:
        key = f"{self.random.getrandbits(64):x}"
        for _ in range(TRIES):
            clicks = 2 if self.random.random() < DOUBLE_CLICK else 1
            answers = await asyncio.gather(*(self._asks(key) for _ in range(clicks)))
            opened = [a.content for a in answers if a.status == HTTPStatus.CREATED]
            self.ledger.expect(
                "one click opens one session", kept=len({o["sessionId"] for o in opened}) <= 1
            )
            if opened:
                self.session = opened[0]
                return True
            tickets = [a.content["ticket"] for a in answers if a.status == HTTPStatus.ACCEPTED]
            if tickets and not await self._waits(tickets[0]):
                return False
            if not tickets:
                await self._pause()
        return False

    async def _asks(self, key: str) -> Answer:
        return await self._call("POST", "create-avatar-session", {"Idempotency-Key": key})

    async def _waits(self, ticket: str) -> bool:
        """Whether it is their turn, or time to ask anew; if not, they have given up."""
        while True:
            if self.random.random() < GIVES_UP:
                if self.random.random() > GIVES_UP_SILENTLY:
                    await self._call("POST", f"waiting-room/{ticket}/leave")
                return False
            place = await self._call("GET", f"waiting-room/{ticket}?wait={WAIT_SECONDS}")
            if place.status != HTTPStatus.OK or place.content["turnSecondsLeft"] is not None:
                return True

    # Being there

    async def _speaks(self) -> Answer:
        text = " ".join(["So it goes."] * self.random.randint(1, 5))
        return await self._control("speak", json={"text": text})

    async def _plays(self) -> Answer:
        form = aiohttp.FormData()
        form.add_field("audio", _click(), filename="click.wav", content_type="audio/wav")
        return await self._control("speak-audio", data=form)

    async def _interrupts(self) -> Answer:
        return await self._control("interrupt")

    async def _watches(self) -> Answer:
        return await self._control("keep-alive")

    async def _looks(self) -> Answer:
        await self._call("GET", "avatar-sessions")
        return await self._call("GET", f"avatar-sessions/{self.session['sessionId']}")

    async def _reloads(self) -> Answer:
        await self._closes_the_tab()
        await asyncio.sleep(self.random.uniform(*RELOAD_SECONDS))
        back = await self._call("POST", f"avatar-sessions/{self.session['sessionId']}/resume")
        if back.status == HTTPStatus.OK:
            self.ledger.expect(
                "a reload leads to the same session", kept=back.content == self.session
            )
        return back

    # Going

    async def _ends(self) -> Answer:
        done = await self._control("end")
        if done.status == HTTPStatus.OK:
            late = await self._speaks()
            self.ledger.expect("what has ended is over", kept=late.status in {0, HTTPStatus.GONE})
        return done

    async def _closes_the_tab(self) -> Answer:
        return await self._control("leave")

    # Calls

    async def _control(self, what: str, **body: Any) -> Answer:
        path = f"avatar-sessions/{self.session['sessionId']}/{what}"
        return await self._call(
            "POST", path, {"Authorization": f"Bearer {self.session['token']}"}, **body
        )

    async def _call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any
    ) -> Answer:
        headers = {**self._cookie, **(headers or {})}
        try:
            async with self.http.request(method, f"/api/{path}", headers=headers, **body) as got:
                answer = Answer(got.status, await got.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError):
            self.ledger.unanswered()
            return Answer()
        self.ledger.answered(answer.status, answer.content)
        return answer

    async def _pause(self) -> None:
        await asyncio.sleep(self.random.uniform(*PAUSE_SECONDS))


async def _vanishes() -> Answer:
    return Answer()


def _click() -> bytes:
    """A tenth of a second that is heard: silence is refused."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes((b"\x00\x20" * 10 + b"\x00\xe0" * 10) * 40)
    return file.getvalue()
