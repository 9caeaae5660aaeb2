"""Faults to play: what a Kaltura may do on a bad day, on request.

A fault is for one operation (or `whep`, `whep-delete`, or `*` for all), perhaps of one session,
and is played `times` times, or for ever when that is null. Of several that fit, the first is
played. The kinds, with what they read besides (all in JSON, names in camelCase):

| kind | what the caller gets |
|---|---|
| `status` | `status` with `body` (default: Kaltura's error shape) and `headers` |
| `delay` | the true answer, `seconds` late; the call is carried out at once |
| `hang` | nothing, until it leaves or `seconds` (default 600) have gone by |
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
| `gone-404` | 404 wherever 410 would be, as seen live (reference D7) |
| `keep-queue` | interrupt keeps what waits in the queue (reference D8) |
| `override` | the true answer with `status`, and fields of `body` and `headers`, replaced |
| `absolute-location` | the true answer with an absolute `Location` (reference 3) |

In `override`, null removes a field or a header.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from app.emulator.observation import Exchange
from app.kaltura.contract import Operation, WireModel

MAX_FAULTS: Final = 100


class Kind(StrEnum):
    """What happens; see the module."""

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
    """One fault to play, as it is put to `/emulator/faults`."""

    model_config = ConfigDict(extra="forbid")

    operation: Operation | Literal["whep", "whep-delete", "*"] = "*"
    kind: Kind
    times: Annotated[int, Field(ge=1)] | None = None
    session_id: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 16 << 20
    location: str | None = None
    headers: dict[str, str | None] = Field(default_factory=dict)
    body: Any = None

    def fits(self, exchange: Exchange) -> bool:
        """Whether this fault is for that call."""
        session_id = exchange.session.session_id if exchange.session else None
        return self.operation in {"*", exchange.target} and self.session_id in {None, session_id}


class Faults:
    """The faults still to play, in order."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        """Yield what is left, each with the `times` that are left."""
        yield from self._faults

    def replace(self, faults: list[Fault]) -> None:
        """Play these and no others."""
        self._faults = list(faults)

    def take(self, exchange: Exchange) -> Fault | None:
        """Return the first fault that fits, and count it as played."""
        for index, fault in enumerate(self._faults):
            if fault.fits(exchange):
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None
