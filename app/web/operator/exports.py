"""Exports of the audit record: CSV for spreadsheets, JSON lines for programs."""

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
"""Without it Excel reads a CSV file in the encoding of its own country."""

PART: Final = 200
"""Entries that are sent at once."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The first characters of formulas in spreadsheets, also in their full-width form
(OWASP, CSV injection).
"""


async def csv_lines(found: AsyncIterator[StoredEntry]) -> AsyncIterator[str]:
    """The CSV file: a header line, and a line for each entry, in parts."""
    some: list[Iterable[Any]] = [(f"{BYTE_ORDER_MARK}{COLUMNS[0]}", *COLUMNS[1:])]
    async for one in found:
        some.append(_cells(one))
        if len(some) >= PART:
            yield _written(some)
            some = []
    yield _written(some)


async def json_lines(found: AsyncIterator[StoredEntry]) -> AsyncIterator[str]:
    """The JSON lines, one for each entry, in parts."""
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
    """The value, with an apostrophe before a text that a spreadsheet would calculate."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _written(rows: Iterable[Iterable[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
