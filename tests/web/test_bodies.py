"""What a body may be before anything parses it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.bounds import WebBounds
from app.web.middleware.bodies import MAX_NESTED, _is_nested
from tests.support.audio import wav
from tests.support.doubles import FakeKaltura, Gate
from tests.support.visitor_api import CREATE, Visit, is_problem, opened, path

JSON = {"Content-Type": "application/json"}


async def test_json_that_is_too_deep_or_none_is_refused(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    before = len(kaltura.calls)
    targets = {
        "speak": path(session, "speak"),
        "create": CREATE,
        "mirror": "/v1/avatar-session/create",
    }
    for body in [
        b"[" * 10_000,
        b"[" * 5_000 + b"]" * 5_000,
        b'{"a":' * 3_000,
        b'{"text": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'"' + b"[" * 10_000,
        b'"\\"' + b"[" * 10_000,
        b"[]," * 100,
        '{"text": "hello"}'.encode("utf-16"),
        '{"text": "hello"}'.encode("utf-32-le"),
    ]:
        for target in ["speak", "create", "mirror"]:
            answer = await visitor.post(targets[target], content=body, headers=JSON)
            if target == "mirror":
                assert (answer.status_code, answer.json()["success"]) == (400, False)
            else:
                assert is_problem(answer, "invalid-request", 400)
            assert len(kaltura.calls) == before


async def test_brackets_in_a_text_are_text(visitor: httpx.AsyncClient) -> None:
    session = await opened(visitor)
    text = '{["\\' * 200
    answer = await visitor.post(path(session, "speak"), json={"text": text})
    assert answer.status_code == 200, answer.text


json_values = st.recursive(
    st.none() | st.text(alphabet='[]{}"\\a∰') | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('{["\\'), inner),
)


def openings(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(openings, value.values()))
    return 1 + sum(map(openings, value)) if isinstance(value, list) else 0


@given(value=json_values, times=st.integers(1, 70))
def test_what_is_counted_is_what_a_parser_finds(value: Any, times: int) -> None:
    several = [value] * times
    for ascii_only in (True, False):
        body = json.dumps(several, ensure_ascii=ascii_only).encode()
        assert _is_nested(body) is (openings(several) > MAX_NESTED)


@pytest.mark.parametrize("chunk", [b'\\"', b'"\\'])
def test_a_text_without_an_end_costs_no_more_to_count_than_one_with_an_end(chunk: bytes) -> None:
    def seconds(body: bytes) -> float:
        started = time.perf_counter()
        assert _is_nested(body)
        return time.perf_counter() - started

    brackets = b"[" * (MAX_NESTED + 1)
    endless = brackets + b'"' + chunk * 10_000
    assert seconds(endless) < 50 * seconds(brackets + b'"' + b"a" * 20_000 + b'"')


def part(name: str, content: str = "x") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{content}\r\n'


async def test_a_form_of_too_much_is_refused(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    session = await opened(visitor)
    before = len(kaltura.calls)
    for content in [
        part("turnId") * 100 + "--b--\r\n",
        part("duration", "9" * 2_000_000) + "--b--\r\n",
        "--b\r\n" + "X: y\r\n" * 100_000,
    ]:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await visitor.post(
            path(session, "speak-audio"), content=content.encode(), headers=headers
        )
        assert is_problem(answer, "invalid-request", 400)
        assert len(kaltura.calls) == before


async def test_a_form_without_a_boundary_is_refused(visitor: httpx.AsyncClient) -> None:
    session = await opened(visitor)
    headers = {"Content-Type": "multipart/form-data"}
    answer = await visitor.post(path(session, "speak-audio"), content=b"--b", headers=headers)
    assert is_problem(answer, "invalid-request", 400)


async def test_a_slow_body_that_goes_on_arriving_is_read(visit: Visit) -> None:
    visitor = await visit(bounds=WebBounds(body_seconds=0.5, body_bytes_per_second=1))
    session = await opened(visitor)

    async def slow() -> AsyncIterator[bytes]:
        for chunk in (b'{"text": ', b'"Hello', b' there"', b"}"):
            yield chunk
            await asyncio.sleep(0.2)

    answer = await visitor.post(path(session, "speak"), content=slow(), headers=JSON)
    assert answer.status_code == 200


async def test_a_body_that_stops_arriving_is_given_up(visit: Visit) -> None:
    visitor = await visit(bounds=WebBounds(body_seconds=0.1))
    session = await opened(visitor)

    async def stopping() -> AsyncIterator[bytes]:
        yield b'{"text": '
        await asyncio.Event().wait()

    answer = await visitor.post(path(session, "speak"), content=stopping(), headers=JSON)
    assert answer.status_code == 408
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Connection"] == "close"
    assert (await visitor.post(path(session, "speak"), json={"text": "Hello"})).is_success


async def test_all_bodies_under_way_together_are_bounded(
    visit: Visit, kaltura: FakeKaltura
) -> None:
    recording = {"audio": ("a.wav", wav(1), "audio/wav")}
    visitor = await visit(bounds=WebBounds(bodies_bytes=int(1.5 * len(wav(1)))))
    url = path(await opened(visitor), "speak-audio")
    gate = Gate()
    kaltura.will("say-audio", gate)
    first = asyncio.create_task(visitor.post(url, files=recording))
    await gate.reached.wait()
    for _ in range(3):
        second = await visitor.post(url, files=recording)
        assert second.status_code == 503
        assert int(second.headers["Retry-After"]) > 0
        assert second.headers["Content-Type"] == "application/problem+json"
    gate.open.set()
    assert (await first).is_success
    assert (await visitor.post(url, files=recording)).is_success


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x" * 20_000, 400), (b"[" * 20_000, 400), (b'{"x": 7}', 422), (b" " * 99_999, 413)],
)
async def test_what_is_refused_is_forgotten(visit: Visit, content: bytes, status: int) -> None:
    visitor = await visit(bounds=WebBounds(bodies_bytes=25_000))
    session = await opened(visitor)
    for _ in range(5):
        answer = await visitor.post(path(session, "speak"), content=content, headers=JSON)
        assert is_problem(answer, "invalid-request", status)
    assert (await visitor.post(path(session, "speak"), json={"text": "Hello"})).is_success
