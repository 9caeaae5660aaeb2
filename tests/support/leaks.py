"""Visitors, brokers and their Kaltura: processes of their own, and what they were seen to do."""

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from bench.soak.outcome import most_at_once
from tests.support.processes import Running

KALTURA: Final = {"AVATAR_KS": "a-ks", "AVATAR_ID": "ada", "AVATAR_VOICE_ID": "emulator-voice-en-1"}
SOON: Final = 20
"""Seconds within which what must happen has happened; nothing here takes half as long."""

DATABASE: Final = "data/broker.db"
"""Where a broker keeps its records, in its directory."""

Brokers = Callable[..., AbstractContextManager[Running]]
"""Starts a broker with these settings; all of one test have one directory."""

Opened = dict[str, Any]
"""What create answered."""


@dataclass(frozen=True)
class Kaltura:
    """The emulator, and what has happened there since the test began."""

    http: httpx.Client
    url: str
    began: float = field(default_factory=time.time)

    def sessions(self) -> dict[str, dict[str, Any]]:
        """Every session that was opened, by its id."""
        shown = self._shown()["sessions"]
        return {s["sessionId"]: s for s in shown if s["createdAt"] >= self.began}

    def open(self) -> set[str]:
        """The ids of those that are open."""
        return {name for name, s in self.sessions().items() if s["endedAt"] is None}

    def are_over(self, *opened: Opened) -> bool:
        """Whether none of these is open."""
        return self.open().isdisjoint(one["sessionId"] for one in opened)

    def most_at_once(self) -> int:
        """How many were open at the same time, at the most."""
        return most_at_once((s["createdAt"], s["endedAt"]) for s in self.sessions().values())

    def calls(self, operation: str) -> int:
        """How many calls there were of an operation that needs a session."""
        every = [call for s in self.sessions().values() for call in s["calls"]]
        return sum(call["operation"] == operation for call in every)

    def plays(self, *faults: dict[str, Any]) -> None:
        """From now on these faults and no others."""
        self.http.put(f"{self.url}/emulator/faults", json=faults).raise_for_status()

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.http.get(f"{self.url}/emulator/sessions").json()
        return shown


@dataclass(frozen=True)
class Visitor:
    """One visitor, whose cookie is made up here: all they do is theirs from the first call on."""

    http: httpx.Client
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def asks(self, broker: Running, key: str | None = None) -> httpx.Response:
        """Calls create."""
        headers = {"Cookie": f"avatar_visitor={self.cookie}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.http.post(f"{broker.url}/api/create-avatar-session", headers=headers)

    def opens(self, broker: Running, key: str | None = None) -> Opened:
        """Calls create, which opens a session."""
        answer = self.asks(broker, key)
        assert answer.status_code == 201, answer.text
        opened: Opened = answer.json()
        return opened

    def waits(self, broker: Running, ticket: str) -> None:
        """Waits in line until it is their turn."""
        url = f"{broker.url}/api/waiting-room/{ticket}"
        while self.http.get(url, params={"wait": 10}).json()["turnSecondsLeft"] is None:
            pass

    def says(self, broker: Running, opened: Opened) -> httpx.Response:
        """Says something in their session, by its token."""
        return self._call(broker, opened, "speak", {"text": "Still here."})

    def watches(self, broker: Running, opened: Opened) -> bool:
        """Gives a sign of life; whether the session lives."""
        return self._call(broker, opened, "keep-alive").is_success

    def ends(self, broker: Running, opened: Opened) -> httpx.Response:
        """Ends their session."""
        return self._call(broker, opened, "end")

    def state(self, broker: Running, opened: Opened) -> httpx.Response:
        """What the broker knows of their session."""
        url = f"{broker.url}/api/avatar-sessions/{opened['sessionId']}"
        return self.http.get(url, headers=_bearer(opened))

    def _call(self, broker: Running, opened: Opened, what: str, body: Any = None) -> httpx.Response:
        url = f"{broker.url}/api/avatar-sessions/{opened['sessionId']}/{what}"
        return self.http.post(url, headers=_bearer(opened), json=body)


def on_record(file: Path) -> set[str]:
    """The sessions that are open as far as a database tells."""
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT session_id FROM sessions WHERE NOT ended_upstream")
        return {session_id for (session_id,) in rows}


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Someone else writes to a database, and takes their time."""
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def at_once(count: int) -> Iterator[ThreadPoolExecutor]:
    """So many hands; the block ends when all have done their work."""
    with ThreadPoolExecutor(count) as hands:
        yield hands


def _bearer(opened: Opened) -> dict[str, str]:
    return {"Authorization": f"Bearer {opened['token']}"}
