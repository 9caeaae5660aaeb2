"""The faults that the emulator injects on request.

A fault is for one operation (or `catalog-item/list`, `thumbnail`, `whep`, `whep-delete`, or `*` for
all), optionally of one session. It is injected `times` times, or always when that is null. When
several match a call, the first is injected. The kinds, and the other fields that they use (JSON,
names in camelCase):

| kind | what the caller gets |
|---|---|
| `status` | `status` with `body` (default: Kaltura's error shape) and `headers` |
| `delay` | the real answer, `seconds` late; the call is carried out at once |
| `hang` | nothing, until it disconnects or `seconds` (default 600) have passed |
| `lost-answer` | the call is carried out, then the connection ends with no answer |
| `reset` | the connection is reset before anything is done |
| `success-false` | 200 with `success` false |
| `exception` | 200 with a `KalturaAPIException` object |
| `not-json` | 200 with HTML |
| `wrong-types` | 200 with every field of the wrong type |
| `empty` | 200 with no body |
| `huge` | 200 with `bytes` (default 16 MiB) of JSON |
| `truncated` | 200 whose body ends before its `content-length` |
| `drip` | 200 with one byte of a JSON body every `seconds` (default 1) |
| `redirect` | 302 to `location` |
| `gone-404` | 404 in place of every 410, as observed live (reference D7) |
| `keep-queue` | the real answer; an interrupt keeps the utterances in the queue (reference D8) |
| `override` | the real answer with `status`, and fields of `body` and `headers`, replaced |
| `absolute-location` | the real answer with an absolute `Location` (reference 3) |

In `override`, null removes a field or a header.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from app.emulator.call_recording import CallContext
from app.kaltura.contract import CatalogCall, Operation, WireModel

MAX_FAULTS: Final = 100


class FaultKind(StrEnum):
    """The kind of a fault; the module's docstring describes each."""

    STATUS = "status"
    DELAY = "delay"
    HANG = "hang"
    LOST_ANSWER = "lost-answer"
    RESET = "reset"
    SUCCESS_FALSE = "success-false"
    EXCEPTION = "exception"
    NOT_JSON = "not-json"
    WRONG_TYPES = "wrong-types"
    EMPTY = "empty"
    HUGE = "huge"
    TRUNCATED = "truncated"
    DRIP = "drip"
    REDIRECT = "redirect"
    GONE_404 = "gone-404"
    KEEP_QUEUE = "keep-queue"
    OVERRIDE = "override"
    ABSOLUTE_LOCATION = "absolute-location"


class Fault(WireModel):
    """One fault to inject, as `PUT /emulator/faults` takes it."""

    model_config = ConfigDict(extra="forbid")

    operation: Operation | CatalogCall | Literal["whep", "whep-delete", "*"] = "*"
    kind: FaultKind
    times: Annotated[int, Field(ge=1)] | None = None
    session_id: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 16 << 20
    location: str | None = None
    headers: dict[str, str | None] = Field(default_factory=dict)
    body: Any = None

    def matches(self, context: CallContext) -> bool:
        """Whether this fault is for a call: of its operation, and of its session if it has one."""
        session_id = context.session.session_id if context.session else None
        return self.operation in {"*", context.target} and self.session_id in {None, session_id}


class FaultList:
    """The faults that are still to be injected, in order."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        """Yield the faults, each with the `times` that are left."""
        yield from self._faults

    def replace(self, faults: list[Fault]) -> None:
        """Replace all faults by `faults`."""
        self._faults = list(faults)

    def take(self, context: CallContext) -> Fault | None:
        """Return the first fault that matches a call, and count it as injected."""
        for index, fault in enumerate(self._faults):
            if fault.matches(context):
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None
