"""The record as files: a table for spreadsheets, or one JSON object a line for programs."""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from app.audit.reader import StoredEntry
from app.web.operator.schemas import AuditEvent

COLUMNS: Final = (
    "at",
    "event",
    "outcome",
    "sessionId",
    "visitor",
    "requestId",
    "upstreamStatus",
    "durationMs",
    "text",
    "detail",
)
BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it Excel takes a table for the letters of its own country."""

PART: Final = 200
"""Entries that are written at once."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula, also when it is written full width
(OWASP, CSV injection).
"""


async def csv_lines(found: AsyncIterator[StoredEntry]) -> AsyncIterator[str]:
    """A head and a line for each entry, some at a time."""
    some: list[Iterable[Any]] = [(f"{BYTE_ORDER_MARK}{COLUMNS[0]}", *COLUMNS[1:])]
    async for one in found:
        some.append(_cells(one))
        if len(some) >= PART:
            yield _written(some)
            some = []
    yield _written(some)


async def json_lines(found: AsyncIterator[StoredEntry]) -> AsyncIterator[str]:
    """A line for each entry, some at a time."""
    some: list[str] = []
    async for one in found:
        some.append(f"{AuditEvent.of(one).model_dump_json()}\n")
        if len(some) >= PART:
            yield "".join(some)
            some = []
    yield "".join(some)


def _cells(found: StoredEntry) -> Iterable[Any]:
    event = AuditEvent.of(found).model_dump(mode="json")
    text = event["detail"].pop("text", None)
    event |= {"text": text, "detail": json.dumps(event["detail"], ensure_ascii=False)}
    return (_harmless(event[column]) for column in COLUMNS)


def _harmless(value: Any) -> Any:
    """The value, which no spreadsheet calculates."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _written(rows: Iterable[Iterable[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
