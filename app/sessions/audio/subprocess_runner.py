"""Runs an untrusted Python program in a process of its own, bounded in time and output."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Final, cast

_CHUNK_BYTES: Final = 64 * 1024


class SubprocessError(Exception):
    """Raised when the program crashed, took too long, or wrote too much."""


async def run(
    program: Path, *arguments: str, given: bytes, seconds: float, most_bytes: int
) -> bytes:
    """Run a Python program with `given` as its standard input; return its standard output.

    The program gets no environment variables and no open files. When this function is left, by an
    answer, an error or a cancellation, the process has ended. Raises `SubprocessError` after
    `seconds`, past `most_bytes` of output, and when the program fails.
    """
    command = (sys.executable, "-I", "-B", str(program), *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/"
    )
    given_to = cast("asyncio.StreamWriter", process.stdin)
    written_to = cast("asyncio.StreamReader", process.stdout)
    try:
        # The write is not awaited: the program may end before it has read all of its input.
        given_to.write(given)
        given_to.close()
        async with asyncio.timeout(seconds):
            written = await _read(written_to, most_bytes)
            status = await process.wait()
    except TimeoutError:
        raise SubprocessError("it took too long") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
    if status:
        raise SubprocessError(f"it ended with status {status}")
    return written


async def _read(stream: asyncio.StreamReader, most_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await stream.read(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise SubprocessError("it wrote too much")
    return b"".join(chunks)
