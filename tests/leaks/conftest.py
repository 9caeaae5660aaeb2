"""For each test brokers that share a directory."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.leaks import KALTURA, SOON, Brokers, Kaltura, Visitor
from tests.support.processes import Running, running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    limits = httpx.Limits(max_connections=200)
    with httpx.Client(timeout=SOON, trust_env=False, limits=limits) as client:
        yield client


@pytest.fixture
def kaltura(emulator: Running, http: httpx.Client) -> Iterator[Kaltura]:
    kaltura = Kaltura(http, emulator.url)
    yield kaltura
    kaltura.plays()


@pytest.fixture
def brokers(tmp_path: Path, kaltura: Kaltura) -> Iterator[Brokers]:
    upstream = {**KALTURA, "AVATAR_BASE_URL": f"{kaltura.url}/v1/avatar-session"}
    yield lambda **settings: running("serve", tmp_path, ready="/healthz", **upstream, **settings)
    for log in tmp_path.glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture
def visitors(http: httpx.Client) -> Iterator[Visitor]:
    """As many visitors as a test asks for."""
    return iter(lambda: Visitor(http), None)
