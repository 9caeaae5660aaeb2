"""A call of the API as code to copy, in each of three languages.

Values that only the reader knows are names in capitals: SESSION_ID, TOKEN.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

JSON: Final = "application/json"
_FORM: Final = "multipart/form-data"
_EVENTS: Final = "text/event-stream"
_PLACE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Credential:
    """The header that says who calls; its value ends with the content of `variable`."""

    header: str
    prefix: str
    variable: str
    is_cookie_too: bool = False
    """Whether a cookie can say it instead, as for visitors."""


@dataclass(frozen=True)
class Call:
    """One request, and the content type of its answer."""

    method: str
    url: str
    credential: Credential | None
    content_type: str | None
    body: Mapping[str, Any]
    answered: str | None

    @property
    def is_form(self) -> bool:
        """Whether it sends a form, with a recording."""
        return self.content_type == _FORM

    @property
    def is_json(self) -> bool:
        """Whether it sends a body that is JSON."""
        return bool(self.body) and self.content_type == JSON

    @property
    def is_stream(self) -> bool:
        """Whether its answer is a stream of events."""
        return self.answered == _EVENTS

    @property
    def is_picture(self) -> bool:
        """Whether its answer is a picture."""
        return self.answered is not None and self.answered.startswith("image/")

    def url_with(self, place: str) -> str:
        """The URL with each name in the way in which a language puts it into a text."""
        return _PLACE.sub(lambda found: place.format(_variable(found[1])), self.url)


def snippets(call: Call) -> dict[str, str]:
    """The code of a call by its language."""
    return {language: write(call) for language, write in LANGUAGES.items()}


def _variable(name: str) -> str:
    """The name in capitals: `sessionId` is SESSION_ID."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def _curl(call: Call) -> str:
    guessed = "POST" if call.body else "GET"
    command = "curl" if call.method == guessed else f"curl -X {call.method}"
    words = [f'{command} "{call.url_with("${}")}"']
    if (sent := call.credential) is not None:
        header = f'-H "{sent.header}: {sent.prefix}${sent.variable}"'
        words.append("-b cookies.txt -c cookies.txt" if sent.is_cookie_too else header)
    if call.is_form:
        words.append("-F audio=@hello.mp3")
    elif call.is_json:
        words += [f"-H 'Content-Type: {JSON}'", f"-d {shlex.quote(json.dumps(call.body))}"]
    if call.is_picture:
        words.append("-o picture")
    return " \\\n  ".join(words)


def _javascript(call: Call) -> str:
    before = ""
    options = [] if call.method == "GET" else [f'method: "{call.method}"']
    headers = _headers(call, "`{}${{{}}}`")
    if call.is_json:
        headers.append(f'"Content-Type": "{JSON}"')
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if call.is_form:
        before = (
            "const form = new FormData();\n"
            'form.append("audio", AUDIO); // a Blob: a chosen file, or a recording\n'
        )
        options.append("body: form")
    elif call.is_json:
        options.append(f"body: JSON.stringify({json.dumps(call.body)})")
    url = _text(call, "${{{}}}", named="`{}`")
    sent = f"{url}, {{\n{_lines(options, '  ')}}}" if options else url
    if call.is_stream:
        text = "response.body.pipeThrough(new TextDecoderStream())"
        after = f"for await (const text of {text}) console.log(text);"
    else:
        read = _read(call, "json", "blob", "text")
        after = f"console.log(response.status, await response.{read}());"
    return f"{before}const response = await fetch({sent});\n{after}"


def _python(call: Call) -> str:
    url = _text(call, "{{{}}}", named='f"{}"')
    more = []
    if headers := _headers(call, 'f"{}{{{}}}"'):
        more.append(f"headers={{{', '.join(headers)}}}")
    if call.is_form:
        more.append('files={"audio": open("hello.mp3", "rb")}')
    elif call.is_json:
        more.append(f"json={call.body!r}")
    if call.is_stream:
        arguments = _lines([f'"{call.method}"', url, *more, "timeout=None"], "    ")
        sent = (
            f"with httpx.stream(\n{arguments}) as response:\n"
            "    for line in response.iter_lines():\n"
            "        print(line)"
        )
    else:
        arguments = f"\n{_lines([url, *more], '    ')}" if more else url
        read = _read(call, "json()", "content", "text")
        sent = (
            f"response = httpx.{call.method.lower()}({arguments})\n"
            f"print(response.status_code, response.{read})"
        )
    return f"import httpx\n\n{sent}"


LANGUAGES: Final[Mapping[str, Callable[[Call], str]]] = {
    "curl": _curl,
    "JavaScript": _javascript,
    "Python": _python,
}


def _headers(call: Call, joined: str) -> list[str]:
    """The header of a credential; `joined` is how a language puts a prefix before a name."""
    if (sent := call.credential) is None:
        return []
    value = joined.format(sent.prefix, sent.variable) if sent.prefix else sent.variable
    return [f'"{sent.header}": {value}']


def _read(call: Call, data: str, picture: str, text: str) -> str:
    """How the answer is read, of the three ways of a language."""
    if call.answered == JSON:
        return data
    return picture if call.is_picture else text


def _text(call: Call, place: str, named: str) -> str:
    """The URL as a text of a language, which has a kind of its own for those with names in them."""
    url = call.url_with(place)
    return f'"{url}"' if url == call.url else named.format(url)


def _lines(parts: Sequence[str], indent: str) -> str:
    return "".join(f"{indent}{part},\n" for part in parts)
