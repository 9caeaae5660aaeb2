"""SECURITY.md promises nothing that no test keeps."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROMISES = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(test_\w+)`", PROMISES))
TESTS = {
    name
    for module in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", module.read_text(), re.MULTILINE)
}


def test_what_is_promised_is_tested() -> None:
    assert NAMED <= TESTS


def test_every_line_of_the_threat_model_names_its_test() -> None:
    rows = re.findall(r"^\| (?!what|---)(.+?) \| (.+?) \|$", PROMISES, re.MULTILINE)
    assert len(rows) > 25
    assert [what for what, tests in rows if "`test_" not in tests] == []
