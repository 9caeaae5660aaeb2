"""The modules of the page and the player, each by itself, in Node.js's own test runner."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parent / "units").glob("*.test.mjs"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_modules_keep_their_rules(unit: Path) -> None:
    node = shutil.which("node", path=Path(sys.executable).parent) or shutil.which("node")
    assert node, "Node.js is missing; `make test` installs it"
    # In one process: a child that is forced to exit loses the results that it has not told yet.
    options = ["--test-isolation=none", "--test-force-exit", "--test-reporter=tap"]
    command = [node, "--test", *options, str(unit)]
    run = subprocess.run(  # noqa: S603 - our own tests
        command, capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^# pass [1-9]", run.stdout, re.MULTILINE)
