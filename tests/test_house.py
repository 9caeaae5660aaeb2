"""The shape of the code: data flows one way, and modules, rooms and constructors stay small."""

import ast
import functools
import inspect
import re
from collections.abc import Container, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.web.routes import ROUTERS

APP = Path(__file__).parents[1] / "app"
MODULES = sorted(APP.rglob("*.py"))
TESTS = Path(__file__).parent

MAY_IMPORT = {
    "config": "config db.database kaltura.credentials kaltura.contract kaltura.url_safety",
    "server": "server config.sources",
    "db": "db config.sources problems",
    "problems": "problems",
    "kaltura": "kaltura __version__",
    "identity": "identity config.settings kaltura.transport problems",
    "audit": "audit db.database problems",
    "replicas": "replicas config db problems",
    "sessions": "sessions audit config db identity.visitor kaltura problems replicas",
    "observability": "observability __version__ kaltura server.output sessions",
    "migrations": "migrations audit.schema config db replicas"
    " sessions.store.capacity_tables sessions.store.repository",
    "doctor": "doctor config db kaltura migrations server.process sessions web.embed",
    "emulator": "emulator kaltura.contract",
    "web": "web audit config identity kaltura.contract observability problems replicas sessions",
}
"""The packages and modules of the app that each room may import: `web -> sessions -> kaltura`."""

ENTRANCES = {"__init__", "__main__", "main", "cli", "demo"}
"""The only modules that stand in no room."""

MOST_MODULES = 14
"""A list of names that a reader takes in at once."""

MOST_LINES = 400

STARTERS = {"running", "run", "run_program"}


@functools.cache
def nodes_of(module: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


def imports_of(module: Path, package: str = "app", *, types_too: bool = True) -> set[str]:
    """The names of a package that `module` imports, without the package's own name."""
    found, nodes = set(), nodes_of(module)
    if not types_too:
        tree = nodes[0]
        assert isinstance(tree, ast.Module)
        statements = [node for node in tree.body if not isinstance(node, ast.If)]
        nodes = [node for each in statements for node in ast.walk(each)]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    start = f"{package}."
    return {name.removeprefix(start) for name in found if name.startswith(start)}


def modules_of(imported: set[str], names: Container[str]) -> set[str]:
    """The modules that hold the imported names: a name may be a module or stand in one."""
    holders = {name if name in names else name.rpartition(".")[0] for name in imported}
    return {name for name in holders if name in names}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_data_flows_one_way(folder: str) -> None:
    modules = [module for module in MODULES if module.is_relative_to(APP / folder)]
    allowed = tuple(f"{name}." for name in MAY_IMPORT[folder].split())
    assert modules
    for module in modules:
        for name in imports_of(module):
            assert f"{name}.".startswith(allowed), f"{module.relative_to(APP)} imports app.{name}"


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {".".join(m.relative_to(APP).with_suffix("").parts): m for m in MODULES}
    graph = {
        name: {
            each.removesuffix(".__init__")
            for each in modules_of(imports_of(module, types_too=False), names)
        }
        for name, module in names.items()
    }
    TopologicalSorter(graph).prepare()  # raises `CycleError`, which names the modules


def test_every_module_is_in_a_room_but_the_entrances() -> None:
    assert {module.stem for module in APP.glob("*.py")} == ENTRANCES
    assert {each.name for each in APP.iterdir() if any(each.glob("*.py"))} == set(MAY_IMPORT)


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
        if "support.processes" not in module.read_text(encoding="utf-8"):
            continue  # to parse them all takes long
        starts = imports_of(module, "tests") & {f"support.processes.{name}" for name in STARTERS}
        is_marked = "pytest.mark.process" in module.read_text(encoding="utf-8")
        assert is_marked or not starts or module.parent.name == "browser", module


def test_no_browser_is_part_of_the_quick_check(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        is_marked = item.get_closest_marker("browser") is not None
        assert is_marked or "firefox" not in item.path.parts, item.nodeid


def test_no_constructor_takes_more_than_six_arguments() -> None:
    for module in MODULES:
        for node in nodes_of(module):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                taken = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
                assert len(taken) - 1 <= 6, (module.relative_to(APP), taken)


def dependencies_of(dependant: Dependant) -> Iterator[Dependant]:
    """What a route asks for, and what that asks for in turn."""
    for each in dependant.dependencies:
        yield each
        yield from dependencies_of(each)


def test_no_dependency_costs_a_thread() -> None:
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    asked = {each.call for route in routes for each in dependencies_of(route.dependant)}
    assert len(asked) > 30
    plain = [
        call
        for call in asked
        if not inspect.iscoroutinefunction(call)
        and not inspect.isasyncgenfunction(call)
        and not inspect.iscoroutinefunction(type(call).__call__)
    ]
    assert plain == []


@pytest.mark.parametrize("folder", ["tests", "bench"])
def test_what_tests_share_is_in_their_support(folder: str) -> None:
    for module in (TESTS.parent / folder).rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        outside = re.sub(r"^from tests\.support[. ].*", "", text, flags=re.MULTILINE)
        if "tests" not in outside:
            continue  # to parse them all takes long
        for name in imports_of(module, "tests"):
            assert name.split(".")[0] == "support", f"{module} imports tests.{name}"
