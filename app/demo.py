"""An emulator beside the broker, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from app.kaltura.contract import MIRROR_PATH

LOOPBACK: Final = "127.0.0.1"
PROBE_SECONDS: Final = 2


def is_emulator(base_url: str) -> bool:
    """Whether it is an emulator that answers there, as only one has a backstage."""
    try:
        backstage = httpx.URL(base_url).copy_with(raw_path=b"/emulator/sessions")
        answer = httpx.get(backstage, timeout=PROBE_SECONDS, trust_env=False)
        return answer.is_success and "highestOpen" in answer.json()
    except (httpx.HTTPError, ValueError, TypeError):
        return False


@contextmanager
def emulator_beside(ks: str) -> Iterator[str]:
    """Runs an emulator that takes `ks`, as long as the block; gives its base URL.

    A process of its own, so that drawing and encoding never delay the broker. It has its own
    session, so that Ctrl+C reaches the broker alone, which ends its avatar sessions first. Its
    socket listens before it does, so no port can be lost between; its standard input is the
    lifeline (`app.server.process.serve_for_parent`). When it dies, this process is stopped: a demo
    without its emulator only confuses.
    """
    with socket.create_server((LOOPBACK, 0)) as listening:
        base_url = f"http://{LOOPBACK}:{listening.getsockname()[1]}{MIRROR_PATH}"
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "app", "emulator", "--fd", str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "AVATAR_KS": ks},
        )
    asked_to_stop = threading.Event()

    def watch() -> None:
        process.wait()
        if not asked_to_stop.is_set():
            print("avatar-broker: the emulator has stopped, so the demo stops", file=sys.stderr)
            os.kill(os.getpid(), signal.SIGTERM)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield base_url
    finally:
        died = not watching.is_alive()
        asked_to_stop.set()
        if process.stdin is not None:
            process.stdin.close()
        watching.join()
        if died:
            sys.exit(1)
