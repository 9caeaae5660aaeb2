"""Code of the documents run as it stands there, in a process for each language at most."""

import asyncio
import base64
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from tests.support.audio import wav
from tests.support.curl import as_curl_would
from tests.support.processes import NODE

Run = Callable[[str, Mapping[str, str]], Awaitable[Any]]
"""Runs one snippet, in which the names of the values stand for them."""

_NODE: Final = """
import { createInterface } from "node:readline";

const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  const { code, values, audio } = JSON.parse(line);
  const AUDIO = new Blob([Buffer.from(audio, "base64")]);
  const known = { ...values, AUDIO, console: { log() {} } };
  const run = async () => new AsyncFunction(...Object.keys(known), code)(...Object.values(known));
  const error = await run().then(() => "", String);
  process.stdout.write(JSON.stringify(error) + "\\n");
}
"""


@asynccontextmanager
async def runner(language: str) -> AsyncIterator[Run]:
    """What runs snippets of this language."""
    if language == "JavaScript":
        async with _node() as run:
            yield run
    else:
        yield {"curl": _curl, "Python": _python}[language]


async def _curl(code: str, values: Mapping[str, str]) -> None:
    async with httpx.AsyncClient() as caller:
        await as_curl_would(caller, code, {f"${name}": value for name, value in values.items()})


async def _python(code: str, values: Mapping[str, str]) -> None:
    """Whatever it prints is let go; it finds a recording where it looks for one."""
    known = {"print": lambda *_: None, "open": lambda *_: wav(1), **values}
    await asyncio.to_thread(exec, code, known)


@asynccontextmanager
async def _node() -> AsyncIterator[Run]:
    command = (str(NODE), "--input-type=module", "--eval", _NODE)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin
    assert process.stdout
    given, told = process.stdin, process.stdout
    audio = base64.b64encode(wav(1)).decode()

    async def run(code: str, values: Mapping[str, str]) -> None:
        line = json.dumps({"code": code, "values": values, "audio": audio})
        given.write(f"{line}\n".encode())
        await given.drain()
        error = json.loads(await told.readline())
        assert not error, f"{error}\n{code}"

    yield run
    given.close()
    await process.wait()
