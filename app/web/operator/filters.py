"""The query parameters that choose entries of the audit record, in API, exports and console."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Query
from pydantic import BeforeValidator, StringConstraints

from app.audit.model import Event
from app.audit.reader import Filter
from app.config.settings import Settings
from app.identity.visitor import Visitor
from app.web.deps import SettingsDep

_ID_DIGITS: Final = 32
_PLUS_LOST: Final = re.compile(r"^(.*\d:\d\d\S*) (\d\d(?::?\d\d)?)$")


def _given(value: Any) -> Any:
    """The value, None when it is empty, as forms send a field that was left empty."""
    return value or None


def _with_plus(value: Any) -> Any:
    """A time whose `+02:00` was put into an address unencoded, where a plus means a space."""
    return _PLUS_LOST.sub(r"\1+\2", value) if isinstance(value, str) else value


Given = BeforeValidator(_given)
Moment = Annotated[datetime, BeforeValidator(_with_plus)]

# The bounds are inside of the union, where an empty field is None already.
# Nothing on record has a NUL character, and Postgres takes none.
Named = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00]*$")]
Place = Annotated[str, StringConstraints(pattern="^[0-9]{1,18}$")]

KeepAlives = Literal["all", "failed"]
Cursor = Annotated[Place | None, Given, Query(description="Of the answer before")]


async def _filter(
    settings: SettingsDep,
    session_id: Annotated[Named | None, Given, Query(alias="sessionId")] = None,
    visitor: Annotated[
        Named | None,
        Given,
        Query(description="An id, or what their login calls them"),
    ] = None,
    event: Annotated[Event | None, Given, Query()] = None,
    outcome: Annotated[
        Named | None,
        Given,
        Query(description="ok, pending, failed (neither), or a problem's name"),
    ] = None,
    since: Annotated[
        Moment | None, Given, Query(description="From this moment on; without a zone: UTC")
    ] = None,
    until: Annotated[Moment | None, Given, Query(description="Before this moment")] = None,
    text: Annotated[Named | None, Given, Query(description="Words that were to be said")] = None,
    keep_alives: Annotated[
        KeepAlives | None,
        Given,
        Query(
            alias="keepAlives",
            description="failed leaves out keep-alives that went well; without it: all",
        ),
    ] = None,
) -> Filter:
    return Filter(
        session_id=session_id,
        visitor=visitor and _visitor_id(visitor, settings),
        event=event,
        outcome=outcome,
        since=_unix(since),
        until=_unix(until),
        text=text,
        keep_alives=keep_alives != "failed",
    )


FilterDep = Annotated[Filter, Depends(_filter)]


def _visitor_id(visitor: str, settings: Settings) -> str:
    """The id of a visitor, from the id itself or from the name that their login has for them."""
    if settings.auth_mode == "anonymous" or visitor.startswith("service:"):
        return visitor
    if len(visitor) == _ID_DIGITS and set(visitor) <= set("0123456789abcdef"):
        return visitor
    return Visitor.signed_in(settings.auth_issuer or "", visitor).id


def _unix(moment: datetime | None) -> float | None:
    """A time as unix seconds; one without a zone is UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
