"""A process of the command with its modules loaded, which is most of what a start costs."""

import atexit
import os
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from app import cli, main

_CONTEXT: Final = get_context("forkserver")
_LOADED: Final = [__name__, "app.doctor.examination", "app.emulator.main"]
"""What commands load; what is not imported here is loaded in the process that is forked alone."""


class WarmProcess:
    """Runs a command as `avatar-broker` does, forked from a process that has loaded its modules.

    It has those methods of `subprocess.Popen` that tests use.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        environ: Mapping[str, str],
        out: Path,
        errors: Path | None = None,
    ) -> None:
        """Start it; what it prints is added to `out`, errors to a file of their own if named."""
        printed = out, errors or out
        for file in printed:
            file.touch()
        _CONTEXT.set_forkserver_preload(_LOADED)
        self._process: ForkServerProcess = _CONTEXT.Process(
            target=_run, args=(arguments, directory, dict(environ), printed)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended; raises `subprocess.TimeoutExpired`."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _run(
    arguments: Sequence[str], directory: Path, environ: Mapping[str, str], printed: Sequence[Path]
) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    main.ROOT = Path(environ["PYTHONPATH"])  # type: ignore[misc] # whose pages it shows
    for descriptor, file in enumerate(printed, 1):
        with file.open("ab") as out:
            os.dup2(out.fileno(), descriptor)
    try:
        cli.main(arguments)
    finally:
        atexit._run_exitfuncs()  # multiprocessing does not, and the last lines are written there
