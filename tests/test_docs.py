"""What the README and `.env.example` say is what there is."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic.fields import FieldInfo

from app.cli import _parser
from app.config.settings import Settings
from app.main import create_app
from app.problems import PROBLEMS
from app.sessions.audio.recordings import MAX_AUDIO_BYTES
from app.web.middleware.bodies import _FORM_BYTES
from tests.support.doubles import settings

ROOT = Path(__file__).parent.parent
SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def readme() -> str:
    return text_of("README.md")


def tables(markdown: str) -> dict[str, list[list[str]]]:
    """The rows of each table by the name of its first column, without head and backticks."""
    found: dict[str, list[list[str]]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").replace("`", "").split(" | ")]
            for line in block.splitlines()
        ]
        found[head[0]] = rows
    return found


def code(markdown: str) -> str:
    """All that is code: blocks and spans."""
    parts = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", markdown, re.DOTALL)
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


# The README: settings and problems


def test_readme_lists_every_setting_with_its_meaning(readme: str) -> None:
    rows = {name: meaning for name, meaning, _ in tables(readme)["setting"]}
    assert rows == {name: field.description for name, field in SETTINGS.items()}


def test_readme_lists_every_setting_with_its_default(readme: str) -> None:
    rows = {name: default.split(": ")[0] for name, _, default in tables(readme)["setting"]}
    assert rows == {name: default_of(field) or "none" for name, field in SETTINGS.items()}


def test_readme_lists_every_problem_with_its_status_and_meaning(readme: str) -> None:
    rows = [
        (name, int(status.split(" ")[0]), meaning)
        for name, status, meaning in tables(readme)["name"]
    ]
    assert rows == [(problem.name, problem.status, problem.meaning) for problem in PROBLEMS]


# The README: calls and commands


def routes(*tags: str) -> set[str]:
    """`METHOD /path` of the operations with these tags, path parameters without their names."""
    return {
        f"{method.upper()} {re.sub(r'{.*?}', '{}', path)}"
        for path, operations in create_app(settings()).openapi()["paths"].items()
        for method, operation in operations.items()
        if operation["tags"][0] in tags
    }


def test_readme_lists_every_call_of_the_visitor_surface_and_no_other(readme: str) -> None:
    listed = {re.sub(r"{.*?}", "{}", row[0]) for row in tables(readme)["call"]}
    assert listed == routes("Visitor", "Operator")


def test_the_curl_lines_of_the_readme_call_what_exists(readme: str) -> None:
    lines = re.findall(r"curl [^\n)]+", code(readme).replace("\\\n", ""))
    to_broker = [line for line in lines if "$BROKER" in line]
    assert len(to_broker) >= 5
    for line in to_broker:
        method = "POST" if re.search(r"-X POST|-d '|-F ", line) else "GET"
        path = re.sub(r"\$SESSION_ID", "{}", re.split(r"[?\"\s]", line.partition("$BROKER")[2])[0])
        assert f"{method} {path}" in routes("Visitor", "Operator"), line


def test_readme_and_makefile_have_the_same_commands(readme: str) -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", text_of("Makefile"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", code(readme)))
    assert named == targets - {"help"}


def test_the_commands_of_avatar_broker_in_the_readme_exist(readme: str) -> None:
    named = set(re.findall(r"\bavatar-broker (\w+)$", code(readme), re.MULTILINE))
    assert {"doctor", "emulator"} <= named
    for name in named:
        assert _parser().parse_args([name]).run


def test_what_operators_are_told_names_settings_that_exist() -> None:
    told = code(text_of("docs/deployment.md"))
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", told))
    assert {"DATABASE_URL", "SHUTDOWN_SESSIONS"} <= named <= set(SETTINGS)


def test_the_proxy_that_is_advised_lets_the_largest_recording_through() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", text_of("docs/deployment.md"))
    assert int(megabytes) * 1024 * 1024 > MAX_AUDIO_BYTES + _FORM_BYTES


# The README: links


def test_every_link_of_the_readme_leads_somewhere_here(readme: str) -> None:
    links = re.findall(r"(?:\]\(|<(?=http)|src=\"|href=\")([^)>\"]+)", readme)
    assert {"docs/page.png", ".env.example"} <= set(links)
    for link in links:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.hostname == "127.0.0.1", link
        else:
            assert (ROOT / parts.path).exists(), link


def test_the_folders_of_the_readme_exist(readme: str) -> None:
    (house,) = re.findall(r"```\n(app/.*?)```", readme, re.DOTALL)
    top = Path()
    for indent, name in re.findall(r"^( *)(\w+)/", house, re.MULTILINE):
        top = top if indent else Path(name)
        assert (ROOT / (top / name if indent else top)).is_dir(), name


def test_the_readme_begins_with_the_two_commands(readme: str) -> None:
    first_screen = "\n".join(readme.splitlines()[:20])
    assert "\nmake run\n" in first_screen
    assert "AVATAR_KS=... AVATAR_ID=... make run\n" in first_screen
