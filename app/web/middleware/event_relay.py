"""Server-sent events of another replica, passed on event by event."""

import re
from typing import Final

MAX_EVENT_BYTES: Final = 1024 * 1024
"""The longest event that is waited for; those of a session are less than half as long."""

_ID: Final = re.compile(rb"^id: ?(.*)$", re.MULTILINE)


class EventTooLongError(Exception):
    """The stream has no whole event in `MAX_EVENT_BYTES`."""


class EventRelay:
    """Cuts a stream into whole events, and remembers the last id.

    So a stream that breaks off can be taken up after its last event, at another replica, and its
    reader sees neither half an event nor one twice.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.last_id: bytes | None = None

    def whole_events(self, chunk: bytes) -> bytes:
        """The events that `chunk` completes; raises `EventTooLongError`."""
        self._rest += chunk
        end = self._rest.rfind(b"\n\n") + 2
        if end == 1:
            if len(self._rest) > MAX_EVENT_BYTES:
                raise EventTooLongError
            return b""
        events = bytes(self._rest[:end])
        del self._rest[:end]
        if ids := _ID.findall(events):
            self.last_id = ids[-1]
        return events

    def begin_again(self) -> None:
        """Forget the half of an event that came before the stream broke off."""
        self._rest.clear()
