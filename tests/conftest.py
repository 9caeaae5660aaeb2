"""How tests are marked, ordered and handed out; `tests/support/fixtures.py` has what they use."""

import gc
import inspect
from collections.abc import Generator
from typing import Final

import pytest

QUEUES: Final = ("browser", "process")
"""Marks of the tests that are begun before all others."""

BROWSED: Final = {"launch", "play"}
"""Fixtures that start a browser."""

PROCESSES: Final = {"emulator", "own_postgres", "container", "demo_container"}
"""Fixtures that are a process."""

BROWSERS: Final = 2

COLLECTED_AFTER: Final = 20_000
"""How many new objects Python's collector of garbage looks at; by default it is 700 of them."""


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures, and with them the broker; not where tests are only handed to workers."""
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("tests.support.fixtures")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What the modules hold stays until the end: the collector of garbage need not look at it.

    What a test leaves need not be looked for so often either: it is little.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(COLLECTED_AFTER)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a browser or a process, and puts it first: it waits while others work.

    A worker of pytest-xdist has a module to itself, so that its fixtures are made once; for all
    browser tests there are two workers, so that there are two browsers.
    """
    for item in items:
        assert isinstance(item, pytest.Function)
        if not BROWSED.isdisjoint(item.fixturenames):
            item.add_marker("browser")
        elif _starts_a_process(item):
            item.add_marker("process")
    items.sort(key=lambda item: [not item.get_closest_marker(name) for name in QUEUES])
    browsed = sorted({item.path for item in items if item.get_closest_marker("browser")})
    for item in items:
        turn = browsed.index(item.path) % BROWSERS if item.path in browsed else item.path
        item.add_marker(pytest.mark.xdist_group(str(turn)))


def _starts_a_process(item: pytest.Function) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    on_postgres = parameters.get("database_url") == "postgres"
    return on_postgres or not PROCESSES.isdisjoint(item.fixturenames)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What holds for one kind of database holds for the other, unless a test looks into a file."""
    if "database_url" in metafunc.fixturenames:
        asked = inspect.signature(metafunc.function).parameters
        kinds = ["sqlite"] if "path" in asked else ["sqlite", "postgres"]
        metafunc.parametrize("database_url", kinds, indirect=True)
