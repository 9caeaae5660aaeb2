"""The configuration of HAProxy that users get, before replicas that are only stand-ins."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.support.haproxy import CONFIGURATION, haproxy, program
from tests.support.processes import Running, free_port, wait_until

pytestmark = pytest.mark.process

CHECKED = "/servez"


@dataclass
class StandIn:
    """A replica that tells which it is; `hangs_up` lets it break off every POST."""

    number: int
    hangs_up: bool = False
    takes_requests: bool = True
    posts: int = 0
    headers: dict[str, str] = field(default_factory=dict)


def server_of(stand_in: StandIn) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            takes_requests = stand_in.takes_requests or self.path != CHECKED
            self._answer(200 if takes_requests else 503)

        def do_POST(self) -> None:
            stand_in.posts += 1
            self.close_connection = stand_in.hangs_up
            if not stand_in.hangs_up:
                self._answer(200)

        def _answer(self, status: int) -> None:
            if self.path != CHECKED:
                stand_in.headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(status)
            body = str(stand_in.number).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def stand_ins() -> list[StandIn]:
    return [StandIn(1), StandIn(2)]


@pytest.fixture(scope="module")
def balancer(
    stand_ins: list[StandIn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """HAProxy before both, and before a third one that is not there."""
    with ExitStack() as stack:
        addresses = [f"127.0.0.1:{free_port()}"]
        for stand_in in stand_ins:
            server = stack.enter_context(server_of(stand_in))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            addresses.append(f"127.0.0.1:{server.server_port}")
        yield stack.enter_context(haproxy(tmp_path_factory.mktemp("haproxy"), addresses))


@pytest.fixture
def visitor(balancer: Running, stand_ins: list[StandIn]) -> Iterator[httpx.Client]:
    """A client of the balancer, when both replicas take requests."""
    with httpx.Client(base_url=balancer.url, trust_env=False) as client:
        wait_until("both take part", lambda: answering(client) == {"1", "2"})
        for stand_in in stand_ins:
            stand_in.posts = 0
        yield client
    for stand_in in stand_ins:
        stand_in.takes_requests, stand_in.hangs_up = True, False


def answering(client: httpx.Client) -> set[str]:
    return {client.get("/").text for _ in range(6)}


def test_haproxy_takes_the_file_as_it_is() -> None:
    checked = subprocess.run(  # noqa: S603 - found by our own script
        [program(), "-c", "-f", str(CONFIGURATION)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def test_each_request_goes_to_another_replica_though_its_connection_is_the_same(
    visitor: httpx.Client,
) -> None:
    answers = [visitor.post("/").text for _ in range(6)]
    assert answers in (["1", "2"] * 3, ["2", "1"] * 3)


def test_a_post_that_a_replica_broke_off_is_not_sent_to_another(
    visitor: httpx.Client, stand_ins: list[StandIn]
) -> None:
    for stand_in in stand_ins:
        stand_in.hangs_up = True
    assert httpx.post(visitor.base_url, trust_env=False).status_code == 502
    assert sum(stand_in.posts for stand_in in stand_ins) == 1


def test_a_replica_that_refuses_new_requests_gets_none_and_does_when_it_takes_them_again(
    visitor: httpx.Client, stand_ins: list[StandIn]
) -> None:
    stand_ins[0].takes_requests = False
    wait_until("only the other answers", lambda: answering(visitor) == {"2"}, 10)
    stand_ins[0].takes_requests = True
    wait_until("both answer", lambda: answering(visitor) == {"1", "2"}, 10)


def test_nobody_chooses_the_address_that_they_are_counted_by(
    visitor: httpx.Client, stand_ins: list[StandIn]
) -> None:
    chosen = {"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Proto": "https"}
    number = int(visitor.get("/", headers=chosen).text)
    seen = stand_ins[number - 1].headers
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert seen["host"] == visitor.base_url.netloc.decode()
