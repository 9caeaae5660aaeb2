"""The npm package of the client, as `npm pack` makes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.processes import NODE, ROOT

NPM: Final = Path(sys.executable).with_name("npm")
SOURCES: Final = ("clients", "static", "types", "scripts", "docs")


def ran(directory: Path, *command: str | Path, seconds: float = 60, **environment: str) -> str:
    """What a command printed; it must succeed."""
    told = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=directory,
        env={"PATH": f"{NODE.parent}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def npm(directory: Path, *arguments: str | Path) -> None:
    """Has npm do something without the network."""
    ran(directory, NPM, *arguments, "--offline", "--silent")


def packed(tree: Path, destination: Path) -> Path:
    """The package, made in a copy of its sources."""
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("dist"))
    shutil.copy(ROOT / "tsconfig.json", tree)
    (tree / "node_modules").symlink_to(ROOT / "node_modules")
    npm(tree / "clients/js", "pack", "--pack-destination", destination)
    [package] = destination.glob("*.tgz")
    return package
