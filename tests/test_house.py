"""The house's shape: data flows one way, and modules stay small."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from app.web import deps, limits

APP = Path(__file__).parent.parent / "app"
MODULES = sorted(APP.rglob("*.py"))

MAY_IMPORT = {
    "kaltura": {"kaltura"},
    "identity": {"identity", "kaltura.transport", "problems", "settings"},
    "audit": {"audit", "database", "problems"},
    "sessions": {
        *("kaltura", "audit", "identity.visitor", "sessions"),
        *("database", "problems", "settings", "values"),
    },
    "signals": {"kaltura", "sessions", "aliases", "logs", "__version__", "signals"},
    "migrations": {"audit.table", "sessions.journal", "database", "environment"},
    "emulator": {"kaltura.contract", "emulator"},
    "web": {
        *("kaltura.contract", "audit", "identity", "sessions", "signals", "web"),
        *("connections", "problems", "settings", "values"),
    },
}
"""What each folder may import of the app; `web -> sessions -> kaltura`, and never back."""


def imports_of(module: Path) -> set[str]:
    """The modules of the app that `module` imports, without the leading `app.`."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "app":
            found |= {f"{node.module}.{name.name}" for name in node.names}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "app"}
    return {name.removeprefix("app.") for name in found}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_data_flows_one_way(folder: str) -> None:
    modules = [module for module in MODULES if module.is_relative_to(APP / folder)]
    assert modules
    for module in modules:
        for name in imports_of(module):
            allowed = any(f"{name}.".startswith(f"{start}.") for start in MAY_IMPORT[folder])
            assert allowed, f"{module.relative_to(APP)} imports app.{name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(APP)))
def test_no_module_outgrows_a_reader(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", [deps, limits])
def test_no_dependency_costs_a_thread(module: ModuleType) -> None:
    given = [function for _, function in inspect.getmembers(module, inspect.isfunction)]
    own = [function for function in given if function.__module__ == module.__name__]
    assert own
    assert all(inspect.iscoroutinefunction(function) for function in own)
