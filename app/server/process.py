"""One ASGI application as a process: uvicorn, its address, and its end."""

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
from app.server.connection import ConnectionBounds, GuardedConnection
from app.server.descriptors import raise_limit
from app.server.output import FLUSH_SECONDS, NonBlockingOutput

GRACE_SECONDS: Final = 3
"""How long answers under way may take once the process is asked to stop."""

HURRY_SECONDS: Final = 2
"""How long the process goes on when it is asked again."""

ECHO_SECONDS: Final = 0.1
"""What comes so soon after a signal is the same wish: a terminal that closes sends SIGHUP and so
does its shell, and what starts programs passes a Ctrl+C on that they got as well.
"""

ENDING_SIGNALS: Final = tuple(
    signal.Signals[name]
    for name in (
        *("SIGINT", "SIGTERM"),  # Ctrl+C; what stops services and containers
        *("SIGHUP", "SIGQUIT"),  # a terminal that closes, and Ctrl+\\
        *("SIGUSR1", "SIGUSR2"),  # what rotates the logs of other servers
        *("SIGALRM", "SIGXCPU", "SIGPWR"),  # a time, a limit or the power runs out
    )
    if name in signal.Signals.__members__  # SIGPWR is Linux's
)
"""Who sends none of these by design would otherwise end the process, and none of its sessions."""

CONNECTION_BOUNDS: Final = ConnectionBounds()

log = structlog.get_logger("server")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `SettingsError` when it can't. Port 0 is any free one.

    `::` is every address of this machine, those of IPv4 too.
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
    """The address for a browser on this machine."""
    return url(*listening.getsockname()[:2])


def url(host: str, port: int) -> str:
    """The address of a host and a port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def on_ending_signals(handle: Callable[[int, FrameType | None], None]) -> None:
    """Handle what would end this process; where it was started with `nohup`, SIGHUP does not."""
    for number in ENDING_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)


def serve(app: ASGIApp, listening: socket.socket) -> int:
    """Serve `app` until a signal asks this process to end; the exit code."""
    return _run(_server(app), listening)


def serve_for_parent(app: ASGIApp, listening: socket.socket) -> int:
    """Serve `app` until standard input closes; the exit code.

    It closes when the parent asks this process to stop, and also when the parent was killed.
    """
    server = _server(app)

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    return _run(server, listening)


def _run(server: "_Server", listening: socket.socket) -> int:
    raise_limit()
    on_ending_signals(server.handle_exit)
    threading.Thread(target=server.end_when_hurried, daemon=True).start()
    keep_what_is_loaded()
    server.run(sockets=[listening])
    return server.exit_code


def keep_what_is_loaded() -> None:
    """Collect garbage from now on, but never again among what is there by now.

    Code stays until the end. Without this, each full collection looks through all of it, in which
    time nobody is answered, and the end of the process does so too.
    """
    gc.freeze()
    gc.enable()


class _Server(uvicorn.Server):
    """uvicorn's server, which every signal ends in the same way, and a second one soon.

    After the first it finishes the answers under way, and then the application ends its sessions.
    After the second it begins with the latter, and `HURRY_SECONDS` later the process is over.
    """

    def __init__(
        self, config: uvicorn.Config, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(config)
        self.exit_code = 0
        self._monotonic = monotonic
        self._echo_until = -math.inf
        self._hurried_code = 0
        self._is_hurried = threading.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # a generator there
        """Nothing: the process's signals stay handled until it is over."""
        return nullcontext()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        """End, or when asked before, hurry."""
        if self._monotonic() < self._echo_until:
            return
        self._echo_until = self._monotonic() + ECHO_SECONDS
        if self.should_exit:
            self._hurried_code = exit_code(sig)
            self.force_exit = True
            self._is_hurried.set()
        else:
            self.exit_code = 0 if sig == signal.SIGTERM else exit_code(sig)
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish, and let the application end: uvicorn would not, when hurried."""
        await super().shutdown(sockets)
        if self.force_exit:
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()

    def end_when_hurried(self) -> None:
        """End the process, whatever it waits for, `HURRY_SECONDS` after the second signal."""
        self._is_hurried.wait()
        time.sleep(HURRY_SECONDS)
        log.warning("stopped at once: the next start ends the sessions that are open")
        for output in (sys.stdout, sys.stderr):
            if isinstance(output, NonBlockingOutput):
                output.drain(FLUSH_SECONDS / 2)
        os._exit(self._hurried_code)


def exit_code(number: int) -> int:
    """What a shell shows for a process that a signal has ended."""
    return 128 + number


def _server(app: ASGIApp, bounds: ConnectionBounds = CONNECTION_BOUNDS) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=partial(GuardedConnection, bounds=bounds),  # type: ignore[arg-type] # it makes one
            ws="none",  # nothing here speaks it, and its connections would not be counted
            access_log=False,  # the broker writes its own, with the request's id
            log_config=None,
            server_header=False,
            proxy_headers=False,  # the application knows which proxies it believes
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
