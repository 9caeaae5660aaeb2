"""What the Makefile's scripts say and do when a command fails."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FAILS = "echo 'certificate has expired'; exit 7"


def script(name: str, *arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Runs one with this directory's programs before all others."""
    return subprocess.run(  # noqa: S603 - our own script
        [ROOT / "scripts" / name, *arguments],
        env={"PATH": f"{path}:/usr/bin:/bin", "PAUSE": "0"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def program(directory: Path, name: str, lines: str) -> None:
    made = directory / name
    made.write_text(f"#!/bin/sh\ncd {directory}\necho {name} >>called\n{lines}\n", encoding="utf-8")
    made.chmod(0o755)


def calls(directory: Path) -> int:
    return len((directory / "called").read_text(encoding="utf-8").splitlines())


def test_a_fetch_that_succeeds_is_silent(tmp_path: Path) -> None:
    program(tmp_path, "npm", "echo 'added 7 packages'")
    told = script("fetch", "npm", "ci", path=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    assert calls(tmp_path) == 1


def test_a_fetch_that_fails_once_says_why_and_is_tried_once_more(tmp_path: Path) -> None:
    program(tmp_path, "npm", f"[ -e again ] && exit; touch again; {FAILS}")
    told = script("fetch", "npm", "ci", path=tmp_path)
    assert (told.returncode, calls(tmp_path)) == (0, 2)
    assert told.stderr.splitlines() == [
        "certificate has expired",
        "This failed (exit code 7) and is tried once more: npm ci",
    ]


def test_a_fetch_that_fails_twice_fails_with_its_reason_and_its_code(tmp_path: Path) -> None:
    program(tmp_path, "npm", FAILS)
    told = script("fetch", "npm", "ci", path=tmp_path)
    assert (told.returncode, calls(tmp_path)) == (7, 2)
    assert told.stderr.count("certificate has expired") == 2
    assert told.stderr.splitlines()[-1] == "This failed again (exit code 7): npm ci"


def test_whatever_is_fetched_is_fetched_by_the_script() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "scripts/fetch $(BIN)/npm ci" in makefile
    assert "PIP := scripts/fetch $(BIN)/python -m pip" in makefile
    for name in ("ensure-browser", "ensure-haproxy", "ensure-postgres", "make-venv"):
        lines = (ROOT / "scripts" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"(\S*) apt-get (?:update|install) -", lines)) == {'"$fetch"'}


@pytest.mark.parametrize(
    ("lint", "tests", "code"), [("exit 0", 0, 0), (FAILS, 0, 1), ("exit 0", 5, 5), (FAILS, 5, 5)]
)
def test_tests_fail_where_lint_fails_and_their_last_line_is_the_last_of_a_good_run(
    tmp_path: Path, lint: str, tests: int, code: int
) -> None:
    program(tmp_path, "make", f"echo 'All checks passed!'\n{lint}")
    program(tmp_path, "pytest", f"echo '7 passed'; exit {tests}")
    told = script("beside", "pytest", path=tmp_path)
    assert told.returncode == code
    assert told.stdout == "7 passed\n"
    assert ("certificate has expired" in told.stderr) is (lint == FAILS)
    assert told.stderr.endswith("make lint failed: see above.\n") is (lint == FAILS)


def test_whatever_make_starts_keeps_what_python_compiled() -> None:
    rule = "--eval=kept:; @echo [$$PYTHONDONTWRITEBYTECODE]"
    told = subprocess.run(  # noqa: S603 - our own rule
        ["make", "--no-print-directory", rule, "kept"],  # noqa: S607
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert told.stdout.splitlines() == ["[]"]
