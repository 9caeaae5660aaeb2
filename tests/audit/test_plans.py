"""No question reads more than its session's, its visitor's or its event's entries.

SQLite takes the index that is for it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening

from app.audit.model import Event
from app.audit.reader import AuditReader, Filter
from app.audit.writer import AuditWriter
from app.db.database import open_database
from app.migrations import prepare

QUESTIONS = [
    ("audit_of_session", {"session_id": "s"}),
    ("audit_of_session", {"session_id": "s", "event": Event.ENDED}),
    ("audit_of_session", "the last words"),
    ("audit_of_visitor", {"visitor": "v"}),
    ("audit_of_visitor", {"visitor": "v", "event": Event.ENDED}),
    ("audit_of_event", {"event": Event.ENDED}),
    ("INTEGER PRIMARY KEY", {"since": 100.0, "until": 200.0}),
]


@pytest.mark.parametrize(("index", "question"), QUESTIONS)
async def test_each_question_takes_the_index_that_is_for_it(
    tmp_path: Path, index: str, question: dict[str, Any] | str
) -> None:
    path = tmp_path / "broker.db"
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    async with open_database(f"sqlite+aiosqlite:///{path}", prepare) as database:
        record = AuditWriter(database, required=True, monotonic=lambda: 0.0, clock=lambda: 0.0)
        listening.listen(database.engine.sync_engine, "before_cursor_execute", note)
        audit_reader = AuditReader(database, record)
        if isinstance(question, dict):
            await audit_reader.page(Filter(**question), limit=10, before=1000)
        else:
            await audit_reader.latest(["a", "b"], Event.SAY_TEXT)
    statement, parameters = asked[-1]
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    steps = [step for *_, step in plan]
    assert any(f"{index} (" in step for step in steps), steps
    assert not any("SCAN audit" in step or "TEMP B-TREE" in step for step in steps), steps
