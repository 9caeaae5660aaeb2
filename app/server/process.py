"""An ASGI application as a process: the listening socket, uvicorn, signals and the exit code."""

import errno
import gc
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from app.config.sources import SettingsError
from app.server.connection import ConnectionBounds, LimitedConnection
from app.server.descriptors import raise_limit
from app.server.output import FLUSH_SECONDS, NonBlockingOutput

DRAIN_SECONDS: Final = 5
"""How long a process behind a load balancer still answers after SIGTERM: requests keep coming until
the balancer's health check has failed.
"""

MOST_DRAIN_SECONDS: Final = 20
"""The longest that a process still answers after SIGTERM, while others take its sessions."""

GRACE_SECONDS: Final = 3
"""How long answers under way may take once no connection is accepted any more."""

STOP_SECONDS: Final = 33
"""How long the process may still run after the first signal, whatever it waits for."""

FORCED_EXIT_SECONDS: Final = 2
"""How long the process may still run after a second signal."""

DUPLICATE_SECONDS: Final = 0.1
"""How soon after a signal another one is taken for its duplicate.

When a terminal closes, both it and its shell send SIGHUP; and the program that started this process
may pass on a Ctrl+C that this process got as well.
"""

YOUNG_OBJECTS: Final = 20_000
"""Objects that are made until Python looks for garbage among them.

With Python's own 700, objects of requests under way are soon counted as old, for which it looks
through all sessions again and again: a third of the time of a speak, where 4,000 are open.
"""

ENDING_SIGNALS: Final = tuple(
    signal.Signals[name]
    for name in (
        *("SIGINT", "SIGTERM"),  # Ctrl+C; the stop of a service or container
        *("SIGHUP", "SIGQUIT"),  # a terminal that closes; Ctrl+\\
        *("SIGUSR1", "SIGUSR2"),  # log rotation, as other servers have it
        *("SIGALRM", "SIGXCPU", "SIGPWR"),  # the end of a timer, of processor time, of power
    )
    if name in signal.Signals.__members__  # SIGPWR is Linux's
)
"""The signals that end the process by default; unhandled, they would leave its sessions open."""

CONNECTION_BOUNDS: Final = ConnectionBounds()

log = structlog.get_logger("server")


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; raises `SettingsError` when the address can't be used.

    Port 0 is any free port. The host `::` is every address of this machine, IPv4 included.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    every = ":" in host and not host.strip(":0") and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, dualstack_ipv6=every)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise SettingsError(
            f"can't listen on {host}:{port} ({'it is in use' if taken else 'no such address'}): "
            "choose another with --port and --host, or with PORT and HOST"
        ) from error


def url_of(listening: socket.socket) -> str:
    """The http URL of a listening socket."""
    return url(*listening.getsockname()[:2])


def url(host: str, port: int) -> str:
    """The http URL of a host and a port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def on_ending_signals(handle: Callable[[int, FrameType | None], None]) -> None:
    """Handle `ENDING_SIGNALS`, except a SIGHUP that `nohup` has set to be ignored."""
    for number in ENDING_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


def serve(
    app: ASGIApp,
    *listening: socket.socket,
    on_stop: Callable[[], None] = lambda: None,
    is_drained: Callable[[], bool] = lambda: True,
    drain_seconds: float = 0,
) -> int:
    """Serve `app` until a signal asks this process to end; returns the exit code.

    After the signal `on_stop` is called at once. After SIGTERM the process answers for another
    `drain_seconds`, and then until it `is_drained`, at most `MOST_DRAIN_SECONDS`.
    """
    server = _server(app, on_stop=on_stop, is_drained=is_drained, drain_seconds=drain_seconds)
    return _run(server, *listening)


def end_with_parent() -> None:
    """End this process as SIGTERM does when standard input closes, as it does with the parent."""

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def serve_for_parent(app: ASGIApp, listening: socket.socket) -> int:
    """Serve `app` until standard input closes; returns the exit code.

    The parent closes it to stop this process; it also closes when the parent is killed.
    """
    server = _server(app)

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    return _run(server, listening)


def _run(server: "_Server", *listening: socket.socket) -> int:
    raise_limit()
    on_ending_signals(server.handle_exit)
    threading.Thread(target=server.exit_in_time, daemon=True).start()
    freeze_loaded_objects()
    server.run(sockets=list(listening))
    return server.exit_code


def freeze_loaded_objects() -> None:
    """Enable garbage collection, seldom, and exclude the objects that exist by now.

    These are mostly code, which is never freed. Without this, each full collection traverses them
    while no request is answered, and so does the end of the process.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    gc.enable()


class _Server(uvicorn.Server):
    """uvicorn's server, which every ending signal stops gracefully, and a second one soon.

    After the first signal the answers under way are finished, and then the application's lifespan
    ends, which ends its sessions. After a second one the lifespan ends at once, and
    `FORCED_EXIT_SECONDS` later the process exits. It exits after `stop_seconds` in any case.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_stop: Callable[[], None] = lambda: None,
        is_drained: Callable[[], bool] = lambda: True,
        drain_seconds: float = 0,
        stop_seconds: float = STOP_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(config)
        self.exit_code = 0
        self._on_stop = on_stop
        self._is_drained = is_drained
        self._drain_seconds = drain_seconds
        self._stop_seconds = stop_seconds
        self._monotonic = monotonic
        self._duplicate_until = -math.inf
        self._asked_at: float | None = None
        self._overdue_exit_code = 0
        self._is_asked = threading.Event()
        self._is_forced = threading.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # uvicorn's is a generator
        """Do nothing: `on_ending_signals` handles the signals until the process is over."""
        return nullcontext()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        """Stop gracefully at the first signal, and soon at a later one that is no duplicate."""
        if self._monotonic() < self._duplicate_until:
            return
        self._duplicate_until = self._monotonic() + DUPLICATE_SECONDS
        self._overdue_exit_code = exit_code(sig)
        if self.should_exit:
            self.force_exit = True
            self._is_forced.set()
            return
        self.exit_code = 0 if sig == signal.SIGTERM else exit_code(sig)
        if sig != signal.SIGTERM:
            self._drain_seconds = 0  # a person waits, not a load balancer
        self.should_exit = True
        self._is_asked.set()

    async def on_tick(self, counter: int) -> bool:
        """Say whether to stop listening: when asked to end, and after the time to drain."""
        if not await super().on_tick(counter):
            return False
        if self._asked_at is None:
            self._asked_at = self._monotonic()
            self._on_stop()
        passed = self._monotonic() - self._asked_at
        if self.force_exit or not self._drain_seconds or passed >= MOST_DRAIN_SECONDS:
            return True
        return passed >= self._drain_seconds and self._is_drained()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish, and end the application's lifespan, which uvicorn skips on a forced exit."""
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()

    def exit_in_time(self) -> None:
        """Exit, whatever the process waits for, when its time after the signals is over."""
        self._is_asked.wait()
        if self._is_forced.wait(self._stop_seconds):
            time.sleep(FORCED_EXIT_SECONDS)
        log.warning("stopped at once: the next start ends the sessions that are open")
        for output in (sys.stdout, sys.stderr):
            if isinstance(output, NonBlockingOutput):
                output.drain(FLUSH_SECONDS / 2)
        os._exit(self._overdue_exit_code)


def exit_code(number: int) -> int:
    """The exit code that a shell shows for a process that a signal ended."""
    return 128 + number


def _server(
    app: ASGIApp,
    bounds: ConnectionBounds = CONNECTION_BOUNDS,
    *,
    on_stop: Callable[[], None] = lambda: None,
    is_drained: Callable[[], bool] = lambda: True,
    drain_seconds: float = 0,
) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=partial(LimitedConnection, bounds=bounds),  # type: ignore[arg-type] # it makes one
            ws="none",  # no route is a WebSocket, and such connections would not be limited
            access_log=False,  # the broker writes its own, with the request's id
            log_config=None,
            server_header=False,
            proxy_headers=False,  # the application knows which proxies are trusted
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        on_stop=on_stop,
        is_drained=is_drained,
        drain_seconds=drain_seconds,
    )
