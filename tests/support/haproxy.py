"""HAProxy before replicas, with the configuration that users get."""

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.processes import ROOT, Running, free_port, stop, wait_until

CONFIGURATION: Final = ROOT / "deploy" / "haproxy.cfg"


def program() -> str:
    """The path of HAProxy."""
    found = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts" / "ensure-haproxy"], check=True, stdout=subprocess.PIPE, text=True
    )
    return found.stdout.strip()


def configured_for(port: int, addresses: Sequence[str]) -> str:
    """The configuration that users get, with this port and these replicas in place of theirs."""
    servers = "\n".join(f"  server replica-{n} {at}" for n, at in enumerate(addresses, 1))
    text = CONFIGURATION.read_text(encoding="utf-8")
    for line, ours in (
        (r"^  bind .*$", f"  bind 127.0.0.1:{port}"),
        (r"^  server-template .*$", servers),
    ):
        text, count = re.subn(line, ours, text, flags=re.MULTILINE)
        assert count == 1, line
    return text


@contextmanager
def haproxy(directory: Path, addresses: Sequence[str]) -> Iterator[Running]:
    """HAProxy before the replicas at `addresses` (`host:port`), as long as the block lasts."""
    port = free_port()
    file, log = directory / "haproxy.cfg", directory / "haproxy.log"
    file.write_text(configured_for(port, addresses), encoding="utf-8")
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - found by our own script
            [program(), "-db", "-f", str(file)],
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        wait_until("HAProxy listens", lambda: _is_listening(process, port, log))
        yield Running(f"http://127.0.0.1:{port}", process, log)
    finally:
        stop(process)


def _is_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text(encoding="utf-8")
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
