"""What the documents say is what there is."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic.fields import FieldInfo

from app import __version__
from app.audit.model import Event
from app.cli import _parser
from app.config.settings import Settings
from app.config.sources import CALLERS, WITHOUT_EFFECT
from app.emulator.faults import FaultKind
from app.kaltura.contract import Operation
from app.kaltura.observation import Exchange
from app.main import create_app
from app.observability.metrics import PREFIX, Metrics
from app.problems import PROBLEMS
from app.sessions.audio.recordings import MAX_AUDIO_BYTES
from app.web.middleware.bodies import _FORM_BYTES
from tests.support.curl import as_curl_would
from tests.support.doubles import settings
from tests.support.metrics import nothing_counted
from tests.support.visitor_api import Visit

ROOT = Path(__file__).parent.parent
DOCUMENTS: Final = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
)
EXAMPLES: Final = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "examples/README.md", *ROOT.glob("examples/*/README.md"))
)
MOST_LINES_OF_AN_EXAMPLE: Final = 60
NOT_READ: Final = frozenset(
    {"package-lock.json", "requirements.txt", "node_modules", ".next", ".venv", "__pycache__"}
)
"""Locks of the examples, and what their commands make."""

OPERATOR_TOKEN: Final = "an-operator-token-of-ours"
SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table(document: str, first_column: str) -> list[list[str]]:
    """The rows of the tables whose first column is called so, without backticks."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text_of(document), re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").replace("`", "").split(" | ")]
            for line in block.splitlines()
        ]
        found += rows if head[0] == first_column else []
    assert found, f"{document} has no table of each {first_column}"
    return found


def code(*documents: str) -> str:
    """All that is code: blocks and spans."""
    texts = "\n".join(map(text_of, documents))
    parts = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", texts, re.DOTALL)
    return "\n".join(block or span for block, span in parts)


def default_of(field: FieldInfo) -> str:
    """A default as one would write it in the environment."""
    value: Any = field.default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | dict):
        return ",".join(value)
    return "" if value is None else str(value)


def shown_in_env_example() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", text_of(".env.example"), re.MULTILINE))


# .env.example


def test_env_example_has_every_setting_in_the_order_of_the_code_and_no_other() -> None:
    assert list(shown_in_env_example()) == list(SETTINGS)


def test_env_example_shows_the_defaults() -> None:
    shown = shown_in_env_example()
    assert shown == {name: default_of(field) for name, field in SETTINGS.items()}


def test_env_example_changes_nothing_when_it_is_taken_as_it_is(tmp_path: Path) -> None:
    untouched, all_set = tmp_path / "untouched", tmp_path / "all-set"
    untouched.write_text(text_of(".env.example"), encoding="utf-8")
    all_set.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text_of(".env.example"), flags=re.MULTILINE))
    defaults = Settings(_env_file=None)
    assert Settings(_env_file=untouched) == defaults
    assert Settings(_env_file=all_set) == defaults


def test_env_example_says_something_of_each_setting() -> None:
    for paragraph in text_of(".env.example").split("\n\n"):
        lines = paragraph.strip().splitlines()
        names = [line for line in lines if re.match(r"#[A-Z_]+=", line)]
        assert not names or lines[0].startswith("# "), names


# Settings


def test_every_setting_is_documented_with_its_meaning_in_the_order_of_the_code() -> None:
    rows = [(name, meaning) for name, meaning, _ in table("docs/configuration.md", "setting")]
    assert rows == [(name, field.description) for name, field in SETTINGS.items()]


def test_every_setting_is_documented_with_its_default() -> None:
    rows = table("docs/configuration.md", "setting")
    defaults = {name: default.split(": ")[0] for name, _, default in rows}
    assert defaults == {name: default_of(field) or "none" for name, field in SETTINGS.items()}


OF_OTHERS: Final = frozenset({"SESSION_ID", "NAME_FILE", "FUZZ_CASES", "POSTGRES_PASSWORD"})
"""What examples call something else by."""


def test_what_readers_are_told_names_settings_that_exist() -> None:
    named = set(re.findall(r"(?<![\w.])[A-Z]+(?:_[A-Z]+)+\b", code(*DOCUMENTS)))
    assert {"DATABASE_URL", "SHUTDOWN_SESSIONS"} <= named
    ours = {name.removesuffix("_FILE") for name in named - OF_OTHERS}
    assert {name for name in ours if not name.startswith("OTEL_")} <= (
        set(SETTINGS) | CALLERS | WITHOUT_EFFECT
    )


# Problems, the record, metrics, faults


def test_every_problem_is_documented_with_its_status_and_meaning() -> None:
    rows = [
        (name, int(status.split(" ")[0]), meaning)
        for name, status, meaning in table("docs/api.md", "name")
    ]
    assert rows == [(problem.name, problem.status, problem.meaning) for problem in PROBLEMS]


def test_every_event_of_the_record_is_documented() -> None:
    rows = table("docs/operations.md", "event")
    assert sorted(name for row in rows for name in row[0].split(", ")) == sorted(Event)


def figures() -> list[tuple[str, str, str, str]]:
    """Name, type, labels and meaning of what is at /metrics, as one writes it in a query."""
    metrics = Metrics()
    metrics.answered("GET", "/", 200, "at-capacity", 0.1)
    metrics.forwarded("answered", 0.1)
    metrics.called(Exchange(Operation.CREATE, httpx.Request("POST", "https://kaltura.test")))
    found = []
    text = metrics.exposition(*nothing_counted()).decode()
    for family in text_string_to_metric_families(text):
        if not family.name.startswith(PREFIX) or family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        listed = ", ".join(sorted(labels)) or "none"
        found.append((name, family.type, listed, family.documentation))
    return found


def test_every_metric_is_documented_with_its_type_labels_and_meaning() -> None:
    assert [tuple(row) for row in table("docs/operations.md", "metric")] == figures()


def test_every_fault_that_can_be_played_is_documented() -> None:
    assert [row[0] for row in table("docs/emulator.md", "kind")] == list(FaultKind)


# Calls and commands


def routes(*tags: str) -> set[str]:
    """`METHOD /path` of the operations with these tags, path parameters without their names."""
    return {
        f"{method.upper()} {re.sub(r'{.*?}', '{}', path)}"
        for path, operations in create_app(settings()).openapi()["paths"].items()
        for method, operation in operations.items()
        if not tags or operation["tags"][0] in tags
    }


@pytest.mark.parametrize(
    ("first_column", "tags"),
    [("call", ("Visitor", "Operator")), ("mirror route", ("Mirror of Kaltura's Control API",))],
)
def test_every_route_is_documented_and_no_other(first_column: str, tags: tuple[str, ...]) -> None:
    listed = [re.sub(r"{.*?}", "{}", row[0]) for row in table("docs/api.md", first_column)]
    assert sorted(listed) == sorted(routes(*tags))


async def test_language_models_are_told_of_every_call_and_of_nothing_else_than_the_documents(
    visit: Visit,
) -> None:
    told = (await (await visit()).get("/llms.txt")).text
    calls = re.findall(r"^- \[(\w+ /[^]]+)\]", told, re.MULTILINE)
    assert sorted(re.sub(r"{.*?}", "{}", call) for call in calls) == sorted(routes("Visitor"))
    documented = set(re.findall(r"[\w-]+", code(*DOCUMENTS)))
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`\n]+)`", told))))
    assert {"avatar-utterance", "fetchSession"} <= named <= documented


def curl_lines() -> list[str]:
    """Those of all documents that call the broker."""
    lines = re.findall(r"curl [^\n)]+", code(*DOCUMENTS).replace("\\\n", ""))
    return [line for line in lines if "$BROKER" in line]


@pytest.mark.parametrize("line", curl_lines(), ids=lambda line: line.partition("$BROKER")[2])
async def test_each_curl_line_of_the_documents_works(line: str, visit: Visit) -> None:
    visitor = await visit(operator_token=OPERATOR_TOKEN)
    session = (await visitor.post("/api/create-avatar-session")).json()
    if "/events" in line:  # which go on until the session ends
        await visitor.post(f"/api/avatar-sessions/{session['sessionId']}/end")
    if "create-avatar-session" in line:
        visitor = await visit()
    values = {"$BROKER": "", "$SESSION_ID": session["sessionId"], "$TOKEN": session["token"]}
    values["$OPERATOR"] = f"Authorization: Bearer {OPERATOR_TOKEN}"
    answer = await as_curl_would(visitor, line, values)
    assert answer.is_success, answer.text


def test_the_documents_show_how_to_call_the_broker() -> None:
    assert len(curl_lines()) >= 9


def test_contributors_are_told_every_command_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", text_of("Makefile"), re.MULTILINE))
    assert {row[0] for row in table("CONTRIBUTING.md", "command")} == {
        f"make {target}" for target in targets - {"help"}
    }
    assert set(re.findall(r"\bmake ([a-z]+)\b", code(*DOCUMENTS))) <= targets


def test_the_commands_of_avatar_broker_in_the_documents_exist() -> None:
    named = set(re.findall(r"\bavatar-broker (\w+)$", code(*DOCUMENTS), re.MULTILINE))
    assert {"doctor", "emulator"} <= named
    for name in named:
        assert _parser().parse_args([name]).run


def test_the_proxy_that_is_advised_lets_the_largest_recording_through() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", text_of("docs/deployment.md"))
    assert int(megabytes) * 1024 * 1024 > MAX_AUDIO_BYTES + _FORM_BYTES


# Links and files


def anchors(document: str) -> set[str]:
    """The names under which GitHub links to the headings of a document."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


ELSEWHERE: Final = frozenset({"127.0.0.1", "keepachangelog.com", "semver.org"})
"""Hosts that a document may link to."""


@pytest.mark.parametrize("document", [*DOCUMENTS, *EXAMPLES])
def test_every_link_leads_somewhere_here(document: str) -> None:
    text = re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL)
    for link in re.findall(r"(?:\]\(|<(?=http)|src=\"|href=\")([^)>\"]+)", text):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.hostname in ELSEWHERE, link
            continue
        target = (
            ((ROOT / document).parent / parts.path).resolve() if parts.path else ROOT / document
        )
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in anchors(str(target.relative_to(ROOT))), link


def test_the_readme_leads_to_every_document() -> None:
    linked = set(re.findall(r"\]\(([\w/]+\.md)\)", text_of("README.md")))
    assert linked == set(DOCUMENTS) - {"README.md"}


def test_every_example_is_listed_and_its_files_are_read_in_a_minute() -> None:
    folders = [path for path in (ROOT / "examples").iterdir() if path.is_dir()]
    listed = re.findall(r"\]\((\w+)/README\.md\)", text_of("examples/README.md"))
    assert sorted(listed) == sorted(folder.name for folder in folders)
    files = (path for path in (ROOT / "examples").rglob("*.*") if path.is_file())
    for path in (path for path in files if not NOT_READ.intersection(path.parts)):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert len(lines) <= MOST_LINES_OF_AN_EXAMPLE, path


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(text_of("README.md").splitlines()) <= 130


def test_the_readme_begins_with_the_two_commands() -> None:
    first_screen = "\n".join(text_of("README.md").splitlines()[:20])
    assert "\nmake run\n" in first_screen
    assert "AVATAR_KS=... AVATAR_ID=... make run\n" in first_screen


def test_the_changelog_tells_of_this_version() -> None:
    assert re.search(rf"\b{re.escape(__version__)}\b", text_of("CHANGELOG.md"))


def test_the_architecture_shows_every_package_and_no_other() -> None:
    (tree,) = re.findall(r"```\n(app/.*?)```", text_of("ARCHITECTURE.md"), re.DOTALL)
    shown: list[Path] = []
    for indent, name in re.findall(r"^( *)(\w+)/", tree, re.MULTILINE):
        above = [path for path in shown if len(path.parts) == len(indent) // 2]
        shown.append(above[-1] / name if indent else Path(name))
    missing = [path for path in shown if not (ROOT / path).is_dir()]
    assert missing == []
    packages = {path.parent.relative_to(ROOT) for path in (ROOT / "app").rglob("__init__.py")}
    assert packages == {path for path in shown if path.parts[0] == "app"}


def test_every_dependency_has_a_reason_to_be_there() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    used = {re.split(r"[\[ ]", dependency)[0] for dependency in project["dependencies"]}
    explained = [row[0] for row in table("ARCHITECTURE.md", "dependency")]
    assert sorted(explained) == sorted(used)


def test_every_module_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", text_of("ARCHITECTURE.md")))
    rooms = [ROOT, ROOT / "app", *(path for path in (ROOT / "app").rglob("*") if path.is_dir())]
    assert len(named) > 10
    assert [
        name for name in sorted(named) if not any((room / name).is_file() for room in rooms)
    ] == []
