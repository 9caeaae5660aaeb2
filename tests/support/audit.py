"""An operator who reads the record of a broker, and a disk that may refuse to keep it."""

from dataclasses import dataclass
from typing import Any, Final

import httpx
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.db.database import Database
from tests.support.database import engines

TOKEN: Final = "an-operator-token-of-ours"
OPERATOR: Final = {"Authorization": f"Bearer {TOKEN}"}
API: Final = "/operator/api"
CREATE: Final = "/api/create-avatar-session"


@dataclass(frozen=True)
class Operator:
    """Has the token."""

    http: httpx.AsyncClient

    async def page(self, **filters: Any) -> dict[str, Any]:
        answer = await self.http.get(f"{API}/audit", params=filters, headers=OPERATOR)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def record(self, **filters: Any) -> list[dict[str, Any]]:
        """The record, oldest first."""
        events: list[dict[str, Any]] = (await self.page(**filters))["events"]
        return events[::-1]

    async def kinds(self, **filters: Any) -> list[str]:
        return [event["event"] for event in await self.record(**filters)]


async def opens(visitor: httpx.AsyncClient, **content: Any) -> dict[str, Any]:
    answer = await visitor.post(CREATE, **content)
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


def path(session: dict[str, Any], call: str) -> str:
    return f"/api/avatar-sessions/{session['sessionId']}/{call}"


class Disk:
    """Refuses every write from now on, or none."""

    def __init__(self) -> None:
        self.is_full = False

    def watch(self, database: Database) -> None:
        for engine in engines(database):
            event.listen(engine, "before_cursor_execute", self._refuse)

    def _refuse(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if self.is_full and not statement.startswith(("SELECT", "PRAGMA")):
            raise OperationalError(statement, {}, Exception("database or disk is full"))
