"""The modules of the page and the player, each by itself, in Node.js's own test runner."""

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from app.problems import PROBLEMS
from tests.support.processes import NODE

ROOT = Path(__file__).parents[2]
API_TYPES = ROOT / "scripts/api-types"
BROKER_API = ROOT / "types/broker-api.d.ts"
NEXT_STEPS_JS = ROOT / "static/shared/broker/next-steps.js"
PROBLEMS_JS = ROOT / "static/shared/broker/problems.js"
ELEMENT_WORDS_JS = ROOT / "static/element/words/problem-words.js"
UNITS = sorted((Path(__file__).parent / "units").glob("*.test.mjs"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_modules_keep_their_rules(unit: Path) -> None:
    # In one process: a child that is forced to exit loses the results that it has not told yet.
    options = ["--test-isolation=none", "--test-force-exit", "--test-reporter=tap"]
    command = [str(NODE), "--test", *options, str(unit)]
    run = subprocess.run(  # noqa: S603 - our own tests
        command, capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^# pass [1-9]", run.stdout, re.MULTILINE)


def test_the_types_of_the_api_are_made_of_its_document() -> None:
    script = runpy.run_path(str(API_TYPES))
    made_of = BROKER_API.read_text(encoding="utf-8").partition("\n")[0]
    assert script["digest"](script["document"]()) in made_of, (
        "run .venv/bin/python scripts/api-types"
    )


def test_the_page_says_what_to_do_about_every_problem() -> None:
    source = NEXT_STEPS_JS.read_text(encoding="utf-8")
    steps = source.partition("NEXT_STEPS = {")[2].partition("\n};")[0]
    known = set(re.findall(r'^  "?([a-z-]+)"?: ', steps, re.MULTILINE))
    assert {problem.name for problem in PROBLEMS} <= known


def test_the_element_has_words_for_every_problem_of_the_broker_and_of_the_page() -> None:
    source = PROBLEMS_JS.read_text(encoding="utf-8")
    of_the_page = source.partition("TITLES = {")[2].partition("\n};")[0]
    words = ELEMENT_WORDS_JS.read_text(encoding="utf-8").partition("\n};")[0]
    named = re.compile(r'^  "?([a-z-]+)"?: ', re.MULTILINE)
    ours = {problem.name for problem in PROBLEMS}
    assert ours | set(named.findall(of_the_page)) <= set(named.findall(words))
