"""One ASGI application as a process: uvicorn, its address, and its end."""

import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final, NoReturn

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS: Final = 5
"""How long answers under way may take once the process is asked to stop."""


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def serve(app: ASGIApp, address: Address, *, trusted_proxies: Sequence[str] = ()) -> None:
    """Serve `app` until SIGINT, or SIGTERM, which ends the process with 0.

    `X-Forwarded-*` counts from `trusted_proxies` alone.
    """
    # uvicorn stops, and then raises the signal again for whoever was there before it.
    signal.signal(signal.SIGTERM, _leave)
    _server(app, address, trusted_proxies).run()


def serve_for_parent(app: ASGIApp, listening: socket.socket) -> None:
    """Serve `app` on a socket that listens already, until standard input closes.

    It closes when the parent asks this process to stop, and also when the parent was killed.
    """
    server = _server(app, Address(*listening.getsockname()[:2]), ())

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    server.run(sockets=[listening])


def _server(app: ASGIApp, address: Address, trusted_proxies: Sequence[str]) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            access_log=False,  # the broker writes its own, with the request's id
            log_config=None,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
