"""One ASGI application as a process: uvicorn, its address, and its end."""

import errno
import gc
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from starlette.types import ASGIApp

from app.connections import GuardedConnection
from app.environment import SettingsError

GRACE_SECONDS: Final = 3
"""How long answers under way may take once the process is asked to stop."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; raises `SettingsError` when it can't. Port 0 is any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise SettingsError(
            f"can't listen on {host}:{port} ({'it is in use' if taken else 'no such address'}): "
            "choose another with --port and --host, or `make run PORT=...`"
        ) from error


def url_of(listening: socket.socket) -> str:
    """The address for a browser on this machine."""
    return url(*listening.getsockname()[:2])


def url(host: str, port: int) -> str:
    """The address of a host and a port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve `app` until SIGINT, or SIGTERM, which ends the process with 0."""
    # uvicorn stops, and then raises the signal again for whoever was there before it.
    signal.signal(signal.SIGTERM, _leave)
    keep_what_is_loaded()
    _server(app).run(sockets=[listening])


def serve_for_parent(app: ASGIApp, listening: socket.socket) -> None:
    """Serve `app` until standard input closes.

    It closes when the parent asks this process to stop, and also when the parent was killed.
    """
    server = _server(app)

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    keep_what_is_loaded()
    server.run(sockets=[listening])


def keep_what_is_loaded() -> None:
    """Collect garbage from now on, but never again among what is there by now.

    Code stays until the end. Without this, each full collection looks through all of it, in which
    time nobody is answered, and the end of the process does so too.
    """
    gc.freeze()
    gc.enable()


def _server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=GuardedConnection,
            ws="none",  # nothing here speaks it, and its connections would not be counted
            access_log=False,  # the broker writes its own, with the request's id
            log_config=None,
            server_header=False,
            proxy_headers=False,  # the application knows which proxies it believes
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
