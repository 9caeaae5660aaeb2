"""The house's shape: data flows one way, and modules stay small."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from app.web import deps
from app.web.visitor import rate_limits

APP = Path(__file__).parents[1] / "app"
MODULES = sorted(APP.rglob("*.py"))
TESTS = Path(__file__).parent

MAY_IMPORT = {
    "config": {"config", "db.database", "kaltura.account", "kaltura.contract", "kaltura.media"},
    "server": {"server", "config.sources"},
    "db": {"db", "config.sources", "problems"},
    "problems": {"problems"},
    "kaltura": {"kaltura"},
    "identity": {"identity", "config.settings", "kaltura.transport", "problems"},
    "audit": {"audit", "db.database", "problems"},
    "sessions": {
        *("kaltura", "audit", "identity.visitor", "sessions"),
        *("config", "db", "problems"),
    },
    "observability": {"observability", "kaltura", "sessions", "server.output", "__version__"},
    "migrations": {"migrations", "audit.schema", "sessions.store.repository", "config", "db"},
    "emulator": {"emulator", "kaltura.contract"},
    "web": {
        *("kaltura.contract", "audit", "identity", "sessions", "observability", "web"),
        *("config", "problems"),
    },
}
"""What each room may import of the app; `web -> sessions -> kaltura`, and never back."""

ENTRANCES = {"__init__", "__main__", "main", "cli", "demo"}
"""The only modules that stand in no room."""

MOST_MODULES = 14
"""A list of names that a reader takes in at once."""

MOST_LINES = 400

STARTERS = {"running", "run"}


def imports_of(module: Path, package: str = "app") -> set[str]:
    """What `module` imports of a package, without the package's own name."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    start = f"{package}."
    return {name.removeprefix(start) for name in found if name.startswith(start)}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_data_flows_one_way(folder: str) -> None:
    modules = [module for module in MODULES if module.is_relative_to(APP / folder)]
    assert modules
    for module in modules:
        for name in imports_of(module):
            allowed = any(f"{name}.".startswith(f"{start}.") for start in MAY_IMPORT[folder])
            assert allowed, f"{module.relative_to(APP)} imports app.{name}"


def test_every_module_is_in_a_room_but_the_entrances() -> None:
    assert {module.stem for module in APP.glob("*.py")} == ENTRANCES


def test_the_modules_of_a_room_are_seen_at_a_glance() -> None:
    rooms = {module.parent for module in MODULES} - {APP}
    for room in rooms:
        modules = [module for module in room.glob("*.py") if module.stem != "__init__"]
        assert len(modules) <= MOST_MODULES, room.relative_to(APP)


def test_no_module_outgrows_a_reader() -> None:
    for module in MODULES:
        lines = len(module.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, module.relative_to(APP)


def test_what_starts_a_process_is_no_part_of_the_quick_check() -> None:
    for module in TESTS.rglob("test_*.py"):
        starts = imports_of(module, "tests") & {f"support.processes.{name}" for name in STARTERS}
        is_marked = "pytest.mark.process" in module.read_text(encoding="utf-8")
        assert is_marked or not starts or module.parent.name == "browser", module


@pytest.mark.parametrize("module", [deps, rate_limits])
def test_no_dependency_costs_a_thread(module: ModuleType) -> None:
    given = [function for _, function in inspect.getmembers(module, inspect.isfunction)]
    own = [function for function in given if function.__module__ == module.__name__]
    assert own
    assert all(inspect.iscoroutinefunction(function) for function in own)


@pytest.mark.parametrize("folder", ["tests", "bench"])
def test_what_tests_share_is_in_their_support(folder: str) -> None:
    for module in (TESTS.parent / folder).rglob("*.py"):
        for name in imports_of(module, "tests"):
            assert name.split(".")[0] == "support", f"{module} imports tests.{name}"
