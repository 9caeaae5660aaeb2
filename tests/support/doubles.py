"""Stand-ins that tests script: a Kaltura that answers as told, and a clock that tests turn."""

import asyncio
import json
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO, cast
from urllib.parse import parse_qsl

import httpx
import structlog
from pydantic import BaseModel

from app.audit.model import Entry
from app.audit.writer import AuditWriter, PendingEntry
from app.config.settings import Settings
from app.db.database import IN_MEMORY, Database
from app.observability.logs import Level, configure_logging
from app.observability.pseudonyms import Pseudonyms
from app.server.output import NonBlockingOutput
from app.sessions.clock import Clocks

KS = "canary-ks-7f3a"
KALTURA_TOKEN = "canary-kaltura-jwt-91be"
ADMIN_SECRET = "canary-admin-secret-20d9"
APP_TOKEN = "canary-app-token-e8b4"
WIDGET_KS = "canary-widget-ks-55d1"
MINTED_KS = "canary-minted-ks-c07e"
"""The first KS that is made is this and `-1`, the second this and `-2`."""

BY_ADMIN_SECRET: dict[str, Any] = {
    "avatar_ks": None,
    "kaltura_partner_id": 12345,
    "kaltura_admin_secret": ADMIN_SECRET,
}
BY_APP_TOKEN: dict[str, Any] = {
    "avatar_ks": None,
    "kaltura_partner_id": 12345,
    "kaltura_app_token_id": "1_token",
    "kaltura_app_token": APP_TOKEN,
}
"""Changes of `settings()` for a broker that makes its own KS."""

PNG = b"\x89PNG\r\n\x1a\nand so on"

Answer = httpx.Response | BaseException | Callable[[], Awaitable[httpx.Response]]


class FakeClock:
    """Unix seconds that pass only when told."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for until, sleeper in self._sleepers:
            if until <= self.now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [(at, each) for at, each in self._sleepers if not each.done()]

    async def sleep(self, seconds: float) -> None:
        """Wait until so many have passed."""
        await self._sleeper(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.Future[None]:
        """Make a call when so many have passed, unless the result is cancelled."""
        sleeper = self._sleeper(seconds)
        sleeper.add_done_callback(lambda over: None if over.cancelled() else callback())
        return sleeper

    @property
    def clocks(self) -> Clocks:
        """The clocks of a broker whose time passes only when told."""
        return Clocks(wall=self, monotonic=self, sleep=self.sleep, call_later=self.call_later)

    def _sleeper(self, seconds: float) -> asyncio.Future[None]:
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, sleeper))
        return sleeper

    async def pass_by(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass little by little, and whoever waits for it act."""
        for _ in range(round(seconds / step)):
            self.advance(step)
            await settled()


async def settled() -> None:
    """Let everything run that waits for nothing but its turn."""
    loop: Any = asyncio.get_running_loop()
    for _ in range(20):
        await asyncio.sleep(0)
        if not loop._ready:
            return


@dataclass(frozen=True)
class Call:
    """One request that Kaltura got; the body is what JSON or a form says, or else bytes."""

    operation: str
    session_id: str | None
    authorization: str
    body: Any
    request: httpx.Request


@dataclass
class FakeKaltura(httpx.AsyncBaseTransport):
    """Answers each operation from its script, then with success; remembers every call."""

    calls: list[Call] = field(default_factory=list, repr=False)
    script: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    opened: int = 0
    minted: int = 0
    whep_url: str = "https://media.kaltura.ai/whep/session/"
    turn: dict[str, str] | None = None
    token: str = KALTURA_TOKEN
    catalog: list[dict[str, Any]] = field(default_factory=lambda: [look("avatar-1")])

    def will(self, operation: str, *answers: Answer) -> None:
        """The next answers to `operation`, in order."""
        self.script[operation].extend(answers)

    def operations(self) -> list[str]:
        return [call.operation for call in self.calls]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        *_, before, operation = request.url.path.split("/")
        content = await request.aread()
        self.calls.append(
            Call(
                operation=operation,
                session_id=None if operation == "create" or before == "action" else before,
                authorization=request.headers.get("Authorization", ""),
                body=_understood(request.headers.get("Content-Type"), content),
                request=request,
            )
        )
        if self.script[operation]:
            answer = self.script[operation].popleft()
            if isinstance(answer, BaseException):
                raise answer
            return answer if isinstance(answer, httpx.Response) else await answer()
        if request.method == "GET":
            return httpx.Response(200, content=PNG)
        return self._success(operation)

    def _success(self, operation: str) -> httpx.Response:
        match operation:
            case "list":
                body: Any = self._page(self.calls[-1].body)
            case "create":
                self.opened += 1
                session_id = f"session-{self.opened}"
                body = {"success": True, "sessionId": session_id, "token": self.token}
            case "init-client":
                body = {"success": True, "whepUrl": self.whep_url, "turn": self.turn}
            case "start" | "startSession":
                self.minted += 1
                ks = f"{MINTED_KS}-{self.minted}"
                body = (
                    ks if operation == "start" else {"ks": ks, "objectType": "KalturaSessionInfo"}
                )
            case "startWidgetSession":
                body = {"ks": WIDGET_KS, "objectType": "KalturaStartWidgetSessionResponse"}
            case _:
                body = {"success": True}
        return httpx.Response(200, json=body)

    def _page(self, query: Any) -> dict[str, Any]:
        """One page of the catalog, as it is asked for."""
        items = [item for item in self.catalog if item["type"] == query["filter"]["typeEqual"]]
        start = query["pager"]["offset"]
        objects = items[start : start + query["pager"]["limit"]]
        return {"objects": objects, "totalCount": len(items)}


def look(avatar_id: str, **changes: Any) -> dict[str, Any]:
    """An avatar in Kaltura's catalog."""
    item = {
        "itemId": avatar_id,
        "type": "Visual",
        "attributes": {"visual": {"name": f"Name of {avatar_id}", "glasses": False}},
        "imageUrl": f"https://cdn.kaltura.test/{avatar_id}.png",
    }
    return item | changes


def voice(voice_id: str, **changes: Any) -> dict[str, Any]:
    """A voice in Kaltura's catalog."""
    described = {"name": f"Name of {voice_id}", "description": "calm", "language": "en"}
    item = {"itemId": voice_id, "type": "Voice", "attributes": {"voice": described}}
    return item | changes


@dataclass
class FakeServices(httpx.AsyncBaseTransport):
    """The services that the operator names: another voice, and a hook; by default none answers."""

    calls: list[httpx.Request] = field(default_factory=list, repr=False)
    answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if self.answer is None:
            raise httpx.ConnectError("nobody there")
        answer = self.answer(request)
        return answer if isinstance(answer, httpx.Response) else await answer


def _understood(content_type: str | None, content: bytes) -> Any:
    match content_type:
        case "application/json":
            return json.loads(content)
        case "application/x-www-form-urlencoded":
            return dict(parse_qsl(content.decode()))
        case _:
            return content


class InMemoryAuditWriter(AuditWriter):
    """Every entry is written as soon as it is told, and none can be refused."""

    def __init__(self) -> None:
        super().__init__(
            cast(Database, None), required=True, monotonic=lambda: 0.0, clock=lambda: 0.0
        )
        self.lines: list[PendingEntry] = []

    @property
    def entries(self) -> list[Entry]:
        return [line.entry for line in self.lines]

    def begin(
        self, entry: Entry, *, must_persist: bool = False, bypass_limits: bool = False
    ) -> PendingEntry:
        written = asyncio.get_running_loop().create_future()
        written.set_result(None)
        line = PendingEntry(
            entry, must_persist, bypass_limits, written, row_id=len(self.lines), is_queued=True
        )
        self.lines.append(line)
        return line


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


def allowing_at(gate: Gate) -> Callable[[dict[str, Any]], Awaitable[dict[str, str]]]:
    """A speech hook that allows every text, once the test lets it."""

    async def allow(_: dict[str, Any]) -> dict[str, str]:
        await gate()
        return {"action": "allow"}

    return allow


def refusal(status: int, error: str = "canary-upstream-text") -> httpx.Response:
    """Kaltura's shape of a refusal."""
    return httpx.Response(status, json={"success": False, "error": error})


def exception(code: str) -> httpx.Response:
    """Kaltura's core API says no: an exception, sent as a success."""
    body = {"objectType": "KalturaAPIException", "code": code, "message": "canary-upstream-text"}
    return httpx.Response(200, json=body)


class GivenSettings(Settings):
    """Settings that are read nowhere else than in the code, which is most of what they cost."""

    def __init__(self, **values: Any) -> None:
        BaseModel.__init__(self, **values)


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
        "control_rate_limit": "10000/minute",
    }
    return GivenSettings(**values | changes)


@contextmanager
def logging_to(
    stream: TextIO | NonBlockingOutput,
    pseudonyms: Pseudonyms | None = None,
    level: Level = "info",
) -> Iterator[None]:
    """Has the log written to `stream`, without what the tests' own client says."""
    root, caller = logging.getLogger(), logging.getLogger("httpx")
    before, levels = root.handlers, (root.level, caller.level)
    configure_logging(stream, pseudonyms=pseudonyms, level=level)
    caller.setLevel(logging.WARNING)
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers = before
        root.setLevel(levels[0])
        caller.setLevel(levels[1])
