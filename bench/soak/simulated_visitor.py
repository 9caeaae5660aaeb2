"""Simulated visitors of the soak test: they click twice, reload, give up and vanish."""

import asyncio
import io
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any, Final

import aiohttp

from bench.soak.tally import Tally

MAX_ACTIONS: Final = 8
MAX_CREATES: Final = 8
"""How often a visitor asks for a session before giving up."""

DOUBLE_CLICK_CHANCE: Final = 0.2
GIVE_UP_CHANCE: Final = 0.03
"""The chance of giving up at each poll of the place in line, and at the turn."""

SILENT_CHANCE: Final = 0.3

POLL_SECONDS: Final = 4
RELOAD_SECONDS: Final = (0.1, 4.0)
"""The shortest and longest reload; a session waits 3 s for its page, so some come too late."""

PAUSE_SECONDS: Final = (0.05, 0.8)
OVER: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True)
class CallResult:
    """The status and content of an answer; status 0 means that there was no answer."""

    status: int = 0
    content: dict[str, Any] = field(default_factory=dict)


@dataclass
class SimulatedVisitor:
    """One visitor, whose actions depend only on `random` and on the answers."""

    http: aiohttp.ClientSession
    tally: Tally
    random: Random
    session: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A cookie chosen here, so that every call has the same visitor from the first one on.
        cookie = "".join(self.random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=43))
        self._cookie = {"Cookie": f"avatar_visitor={cookie}"}

    async def visit(self) -> None:
        """Open a session, use a few controls, and end it, leave it or vanish."""
        self.tally.visitors += 1
        if not await self._open_session():
            return
        actions: list[Callable[[], Awaitable[CallResult]]] = [
            *[self._speak] * 5,
            *[self._interrupt, self._keep_alive] * 2,
            *[self._speak_audio, self._list, self._reload],
        ]
        for _ in range(self.random.randint(1, MAX_ACTIONS)):
            answer = await self.random.choice(actions)()
            if answer.status in OVER:
                return
            await self._pause()
        await self.random.choice([self._end, self._end, self._leave, _vanish])()

    # Opening a session

    async def _open_session(self) -> bool:
        key = f"{self.random.getrandbits(64):x}"
        for _ in range(MAX_CREATES):
            clicks = 2 if self.random.random() < DOUBLE_CLICK_CHANCE else 1
            answers = await asyncio.gather(*(self._create(key) for _ in range(clicks)))
            opened = [a.content for a in answers if a.status == HTTPStatus.CREATED]
            self.tally.expect(
                "one click opens one session", kept=len({o["sessionId"] for o in opened}) <= 1
            )
            if opened:
                self.session = opened[0]
                return True
            tickets = [a.content["ticket"] for a in answers if a.status == HTTPStatus.ACCEPTED]
            if tickets and not await self._wait_in_line(tickets[0]):
                return False
            if not tickets:
                await self._pause()
        return False

    async def _create(self, key: str) -> CallResult:
        return await self._call("POST", "create-avatar-session", {"Idempotency-Key": key})

    async def _wait_in_line(self, ticket: str) -> bool:
        """Wait in line; returns whether to create again, or False after giving up."""
        while True:
            if self.random.random() < GIVE_UP_CHANCE:
                if self.random.random() > SILENT_CHANCE:
                    await self._call("POST", f"waiting-room/{ticket}/leave")
                return False
            place = await self._call("GET", f"waiting-room/{ticket}?wait={POLL_SECONDS}")
            if place.status != HTTPStatus.OK or place.content["turnSecondsLeft"] is not None:
                return True

    # Using it

    async def _speak(self) -> CallResult:
        text = " ".join(["So it goes."] * self.random.randint(1, 5))
        return await self._control("speak", json={"text": text})

    async def _speak_audio(self) -> CallResult:
        form = aiohttp.FormData()
        form.add_field("audio", _tone(), filename="tone.wav", content_type="audio/wav")
        return await self._control("speak-audio", data=form)

    async def _interrupt(self) -> CallResult:
        return await self._control("interrupt")

    async def _keep_alive(self) -> CallResult:
        return await self._control("keep-alive")

    async def _list(self) -> CallResult:
        await self._call("GET", "avatar-sessions")
        return await self._call("GET", f"avatar-sessions/{self.session['sessionId']}")

    async def _reload(self) -> CallResult:
        await self._leave()
        await asyncio.sleep(self.random.uniform(*RELOAD_SECONDS))
        back = await self._call("POST", f"avatar-sessions/{self.session['sessionId']}/resume")
        if back.status == HTTPStatus.OK:
            self.tally.expect(
                "a reload leads to the same session",
                kept=_without_time(back.content) == _without_time(self.session),
            )
        return back

    # Leaving it

    async def _end(self) -> CallResult:
        done = await self._control("end")
        if done.status == HTTPStatus.OK:
            late = await self._speak()
            self.tally.expect("what has ended is over", kept=late.status in {0, HTTPStatus.GONE})
        return done

    async def _leave(self) -> CallResult:
        return await self._control("leave")

    # Calls

    async def _control(self, what: str, **body: Any) -> CallResult:
        path = f"avatar-sessions/{self.session['sessionId']}/{what}"
        return await self._call(
            "POST", path, {"Authorization": f"Bearer {self.session['token']}"}, **body
        )

    async def _call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any
    ) -> CallResult:
        headers = {**self._cookie, **(headers or {})}
        try:
            async with self.http.request(method, f"/api/{path}", headers=headers, **body) as got:
                answer = CallResult(got.status, await got.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError):
            self.tally.unanswered()
            return CallResult()
        self.tally.answered(answer.status, answer.content)
        return answer

    async def _pause(self) -> None:
        await asyncio.sleep(self.random.uniform(*PAUSE_SECONDS))


def _without_time(opened: dict[str, Any]) -> dict[str, Any]:
    """What create or resume answered, without the time that is left."""
    return {name: value for name, value in opened.items() if name != "secondsLeft"}


async def _vanish() -> CallResult:
    return CallResult()


def _tone() -> bytes:
    """A recording of 0.1 s that is audible, because silence is refused."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes((b"\x00\x20" * 10 + b"\x00\xe0" * 10) * 40)
    return file.getvalue()
