"""The example backends of the documents, as they stand there, against a real broker."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.emulator import Caller
from tests.support.processes import running, wait_until
from tests.support.whep_viewer import Viewer

pytestmark = pytest.mark.process

DOCS = Path(__file__).parent.parent / "docs"
TOKEN = "a-token-of-16-characters"
BEFORE = "import os\nSERVICE_TOKEN = os.environ['SERVICE_TOKEN']\n"


def test_an_example_backend_speaks_where_visitors_may_not(tmp_path: Path) -> None:
    document = (DOCS / "integrating.md").read_text(encoding="utf-8")
    _, _, section = document.partition("\n## A backend that decides what is said\n")
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    settings = {"SERVICE_TOKENS": f"shop:{TOKEN}", "VISITOR_CONTROLS": "end"}
    with running("demo", tmp_path, ready="/healthz", **settings) as demo:
        ran = subprocess.run(
            [sys.executable, "-"],
            input=BEFORE + found[1].replace("http://127.0.0.1:8000", demo.url),
            env={"PATH": os.environ["PATH"], "SERVICE_TOKEN": TOKEN},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        said = re.compile(r'"operation": "say-text".*"outcome": "ok"')
        # The log gathers its lines for a moment before it writes them.
        wait_until("it is said", lambda: said.search(demo.log.read_text("utf-8")) is not None)
        # A visitor of the same broker may not.
        with httpx.Client(base_url=f"{demo.url}/api") as visitor:
            session = visitor.post("/create-avatar-session").raise_for_status().json()
            path = f"/avatar-sessions/{session['sessionId']}/speak"
            assert visitor.post(path, json={"text": "Hello"}).status_code == 403


MODEL = """
import time
from types import SimpleNamespace as Some


class OpenAI:
    def __init__(self):
        self.chat = Some(completions=Some(create=self.create))

    def create(self, model, messages, stream):
        for word in "I am an avatar. I say what a model writes. While it writes it.".split(" "):
            time.sleep(0.4)
            print("wrote", word, time.time(), flush=True)
            yield Some(choices=[Some(delta=Some(content=word + " "))])
"""
"""A language model that takes its time."""


async def test_the_example_of_a_language_model_is_heard_before_the_model_is_through(
    tmp_path: Path,
) -> None:
    document = (DOCS / "api.md").read_text(encoding="utf-8")
    found = re.search(r"```py\n(.*?)```", document, re.DOTALL)
    assert found is not None
    assert len([line for line in found[1].splitlines() if line.strip()]) <= 20
    (tmp_path / "openai.py").write_text(MODEL, encoding="utf-8")
    with running("demo", tmp_path, ready="/healthz") as demo:
        async with httpx.AsyncClient(base_url=f"{demo.url}/api", timeout=30) as visitor:
            session = (await visitor.post("/create-avatar-session")).raise_for_status().json()
            media = await visitor.get(f"/avatar-sessions/{session['sessionId']}/media")
            caller = Caller(visitor, session["sessionId"], session["token"])
            async with Viewer(caller, media.json()["whepUrl"]) as viewer:
                await viewer.watch()
                example = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", found[1].replace("http://127.0.0.1:8000", demo.url)),
                    env={
                        "PATH": os.environ["PATH"],
                        "PYTHONPATH": str(tmp_path),
                        "SESSION_ID": session["sessionId"],
                        "TOKEN": session["token"],
                    },
                    stdout=subprocess.PIPE,
                )
                await viewer.until_loud()
                heard = time.time()
                told, _ = await example.communicate()
        assert example.returncode == 0
        # The last sentence may still be in the queue when the example ends.
        wait_until("each sentence is sent by itself", lambda: len(texts_sent(demo.log)) == 3)
    written = [float(line.split()[-1]) for line in told.decode().splitlines() if "wrote" in line]
    assert written[0] < heard < written[-1]


def texts_sent(log: Path) -> list[dict[str, Any]]:
    """The lines of a broker's log that tell of a text that went to Kaltura."""
    lines = log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in told if line.get("operation") == "say-text"]
