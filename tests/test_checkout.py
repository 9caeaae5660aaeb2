"""What git has is the same on every machine: make, the shell and the image read it."""

import subprocess
from typing import Final

import pytest

from tests.support.processes import ROOT

_PICTURES: Final = (".png",)


pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")


def git(*arguments: str) -> list[str]:
    found = subprocess.run(  # noqa: S603 - our own words
        ["git", *arguments],  # noqa: S607 - whichever git is here
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.splitlines()


def test_every_text_file_has_unix_line_ends_here_and_in_every_checkout() -> None:
    for line in git("ls-files", "--eol"):
        about, _, path = line.partition("\t")
        index, _, *attributes = about.split()
        if path.endswith(_PICTURES):
            assert (index, attributes) == ("i/-text", ["attr/-text"]), path
        else:
            assert index in {"i/lf", "i/none"}, path
            assert attributes == ["attr/text=auto", "eol=lf"], path


def test_locks_pin_by_hash_and_name_no_registry() -> None:
    locks = git("ls-files", "*package-lock.json", "*requirements.txt", "requirements/")
    assert len(locks) > 10
    for lock in locks:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert ("sha512-" if lock.endswith(".json") else "--hash=sha256:") in text, lock
        assert "--index-url" not in text, lock
        assert '"resolved": "http' not in text, lock
