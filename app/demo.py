"""The demo's emulator, in a process of its own beside the broker."""

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
    """Whether an emulator answers at `base_url`: only an emulator has `/emulator/sessions`."""
    try:
        inspection = httpx.URL(base_url).copy_with(raw_path=b"/emulator/sessions")
        answer = httpx.get(inspection, timeout=PROBE_SECONDS, trust_env=False)
        return answer.is_success and "highestOpen" in answer.json()
    except (httpx.HTTPError, ValueError, TypeError):
        return False


@contextmanager
def run_emulator(ks: str) -> Iterator[str]:
    """Run an emulator that accepts `ks` during the block; yields its base URL.

    The emulator has its own process, so that drawing and encoding never delay the broker, and its
    own process group, so that Ctrl+C reaches only the broker, which first ends its sessions. This
    process opens the listening socket and passes it on, so the port can't be taken in between. The
    emulator stops when its standard input closes (`app.server.process.serve_for_parent`). When the
    emulator dies, this process gets SIGTERM, as a demo without an emulator is of no use.
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
