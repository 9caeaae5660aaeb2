"""The curl lines of documents, sent without curl."""

import shlex
from typing import Any

import httpx

from tests.support.audio import wav


async def as_curl_would(
    visitor: httpx.AsyncClient, line: str, values: dict[str, str]
) -> httpx.Response:
    """Sends what curl would send, for the few options that the lines use."""
    for name, value in values.items():
        line = line.replace(name, value)
    command, *words = shlex.split(line.replace("\\\n", ""))
    assert command == "curl"
    method, url = "GET", ""
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    arguments = iter(words)
    for word in arguments:
        match word:
            case "-X":
                method = next(arguments)
            case "-H":
                name, _, value = next(arguments).partition(": ")
                headers[name] = value
            case "-d":
                method, more = "POST", {"content": next(arguments)}
            case "-F":
                field, _, _ = next(arguments).partition("=@")
                method, more = "POST", {"files": {field: wav(1)}}
            case "-b" | "-c" | "-o":
                next(arguments)  # the client keeps cookies and answers anyway
            case "-s" | "-N":
                pass  # how curl prints
            case _:
                url = word
    return await visitor.request(method, url, headers=headers, **more)
