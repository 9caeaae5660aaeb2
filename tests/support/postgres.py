"""A Postgres of the tests' own, with a database for each test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.processes import ROOT, free_port, stop, wait_until

USER: Final = "nobody"
"""As whom it runs where the tests are root's: Postgres refuses to be root."""


@dataclass
class Postgres:
    """A server that answers on loopback; its folder is made by `postgres`."""

    programs: Path
    folder: Path
    port: int
    owner: dict[str, Any]
    """As whom it runs, as arguments of `subprocess`."""

    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        place = ["-D", str(self.folder / "data"), "-k", str(self.folder)]
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - found by our own script
                [str(self.programs / "postgres"), *place, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl+C ends those who use it first
                **self.owner,
            )
        wait_until("Postgres is ready", self.is_ready)

    def stop(self) -> None:
        """Stop the server at once: it breaks off every connection and every transaction."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            stop(self.process)

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        asked = ["-q", "-h", "127.0.0.1", "-p", str(self.port)]
        program = [str(self.programs / "pg_isready"), *asked]
        return subprocess.run(program, check=False).returncode == 0  # noqa: S603 - found by our own script

    def new_database(self, template: str | None = None) -> str:
        """The URL of a database with nothing in it, or with what is in the one at `template`."""
        name = f"test_{secrets.token_hex(4)}"
        copied = "template1" if template is None else template.rpartition("/")[2]
        self._sql("postgres", f"CREATE DATABASE {name} TEMPLATE {copied}")
        return f"postgresql+asyncpg://broker@127.0.0.1:{self.port}/{name}"

    def drop(self, url: str) -> None:
        """Away with a database, whoever uses it."""
        self._sql("postgres", f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, url: str, statement: str) -> None:
        """Run a statement in the database at `url`."""
        self._sql(url.rpartition("/")[2], statement)

    def cut(self) -> None:
        """Break off every connection, as a restart does."""
        self._sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )

    def _sql(self, database: str, statement: str) -> None:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "broker", "-d", database]
        subprocess.run(  # noqa: S603 - our own words
            [str(self.programs / "psql"), *address, "-q", "-c", statement],
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A new Postgres, as long as the block lasts."""
    found = subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts" / "ensure-postgres"], check=True, stdout=subprocess.PIPE, text=True
    )
    programs = Path(found.stdout.strip())
    folder = Path(tempfile.mkdtemp(prefix="broker-postgres-"))
    as_somebody: dict[str, Any] = {}
    if os.geteuid() == 0:
        somebody = pwd.getpwnam(USER)
        shutil.chown(folder, somebody.pw_uid, somebody.pw_gid)
        as_somebody = {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}
    data, port = folder / "data", free_port()
    owner: Any = {"cwd": folder, "env": {"PATH": os.environ["PATH"]}, **as_somebody}
    try:
        subprocess.run(  # noqa: S603 - found by our own script
            [programs / "initdb", "-D", data, "-U", "broker", "-A", "trust", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            **owner,
        )
        server = Postgres(programs, folder, port, owner)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
