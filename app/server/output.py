"""Standard output and error that never block the process, even when nobody reads them."""

import atexit
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

MAX_WAITING_BYTES: Final = 1024 * 1024
"""The size of the buffer; text that does not fit is dropped."""

GATHER_SECONDS: Final = 0.1
"""How long text is gathered for one write: waking the thread costs more than writing a line."""

FLUSH_SECONDS: Final = 1.0
"""How long the process waits at its end for buffered text to be written."""

STANDARD_DESCRIPTORS: Final = (0, 1, 2)

log = structlog.get_logger("output")


def open_standard_streams() -> None:
    """Open `/dev/null` in place of a standard stream that this process was started without.

    Otherwise the next file or socket would get its number, and printed text would go there.
    """
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - a positional-only argument
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def use_non_blocking_output() -> None:
    """Replace standard output and error by `NonBlockingOutput`, drained at the process's end."""
    outputs = NonBlockingOutput(1), NonBlockingOutput(2)
    sys.stdout, sys.stderr = outputs
    for output in outputs:
        atexit.register(output.drain, FLUSH_SECONDS)


class NonBlockingOutput(io.TextIOBase):
    """A text stream that buffers what is written, and writes it to a descriptor in a thread.

    Lines are dropped, and counted, when the buffer is full, or when the descriptor refuses them
    (a full disk, a pipe without a reader). Once a line can be written again, the log says how many
    were dropped.
    """

    encoding = "utf-8"

    def __init__(
        self,
        descriptor: int,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        write: Callable[[int, bytes | memoryview], int] = os.write,
    ) -> None:
        super().__init__()
        self.dropped_lines = 0
        self._descriptor = descriptor
        self._write_to = write
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0  # including those that are being written
        self._unreported = 0
        self._is_mid_line = False
        self._changed = threading.Condition()
        threading.Thread(target=self._write_all, name="output", daemon=True).start()

    def write(self, text: str, /) -> int:
        """Buffer a text, or drop it as a whole where the buffer has no room for it."""
        data = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._waiting_bytes + len(data) > self._max_waiting_bytes:
                self._drop(data)
            else:
                if not self._waiting:
                    self._changed.notify_all()
                self._waiting.append(data)
                self._waiting_bytes += len(data)
        return len(text)

    def writable(self) -> bool:
        """True: the stream can be written to."""
        return True

    def fileno(self) -> int:
        """The descriptor that the stream writes to."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def drain(self, seconds: float) -> None:
        """Wait until the buffer is empty, but at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting_bytes, seconds)

    def _write_all(self) -> None:
        while True:
            data = self._next_batch()
            written = self._write_out(data)
            with self._changed:
                self._waiting_bytes -= len(data)
                self._drop(data[written:])
                self._changed.notify_all()
            if written == len(data):
                self._report_dropped()

    def _next_batch(self) -> bytes:
        """Wait for text, gather more of it for `GATHER_SECONDS`, and empty the buffer."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
        time.sleep(GATHER_SECONDS)
        with self._changed:
            data = b"".join(self._waiting)
            self._waiting.clear()
        return data

    def _write_out(self, data: bytes) -> int:
        """Write `data`; returns how many of its bytes could be written."""
        rest = memoryview(data)
        try:
            while self._is_mid_line:  # the last line was cut off
                self._is_mid_line = not self._write_some(b"\n")
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError:
            if len(rest) < len(data):
                self._is_mid_line = not data[: -len(rest)].endswith(b"\n")
        return len(data) - len(rest)

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return self._write_to(self._descriptor, data)
        except BlockingIOError:  # another process that shares the descriptor made it non-blocking
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            ready.poll()
            return 0

    def _drop(self, data: bytes) -> None:
        lines = data.count(b"\n")
        self.dropped_lines += lines
        self._unreported += lines

    def _report_dropped(self) -> None:
        with self._changed:
            lines, self._unreported = self._unreported, 0
        if lines:
            log.warning("lines were dropped, because nobody could be given them", lines=lines)
