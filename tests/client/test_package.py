"""The npm package, as a site installs what `npm pack` makes: its types, and visits of Node.js."""

import asyncio
import functools
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.client_package import npm, packed, ran
from tests.support.demo import Demo, running_demo
from tests.support.login import BY_LOGIN, FakeLogin, published
from tests.support.processes import NODE, ROOT, Running
from tests.support.tcp_proxy import passing

pytestmark = pytest.mark.process

PROJECT: Final = Path(__file__).parent / "project"
DOCUMENT: Final = ROOT / "docs/client.md"
TOKEN: Final = "a-token-of-16-characters"
INSTALLED: Final = "node_modules/@avatar-broker/client"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has installed the package, and has the documents' code beside its own."""
    tree, site = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("site")
    package = packed(tree, site)
    shutil.copytree(PROJECT, site, dirs_exist_ok=True)
    npm(site, "install", "--no-audit", "--no-fund", package)
    shutil.copy(ROOT / "types/models-sdk-js.d.ts", site)
    for framework in ("@types", "vue"):
        (site / "node_modules" / framework).symlink_to(ROOT / "node_modules" / framework)
    (site / "document.ts").write_text("\n".join(blocks("ts")), encoding="utf-8")
    (site / "backend.js").write_text("\n".join(blocks("js")), encoding="utf-8")
    return site


def blocks(language: str) -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def broker(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("broker")
    with running_demo(emulator, folder, SERVICE_TOKENS=f"shop:{TOKEN}") as demo:
        yield demo


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A web server with the files of a folder; gives its address."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def lines(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


def calls(demo: Demo, session_id: str) -> list[dict[str, Any]]:
    """What the emulator was asked to do in a session."""
    known = httpx.get(f"{demo.emulator_url}/emulator/sessions").json()["sessions"]
    return next(each["calls"] for each in known if each["sessionId"] == session_id)


def said(demo: Demo, session_id: str) -> list[str]:
    texts = [call for call in calls(demo, session_id) if call["operation"] == "say-text"]
    return [call["text"].strip() for call in texts]


@pytest.mark.parametrize("module", ["nodenext", "preserve"])
def test_the_package_compiles_strictly_and_so_does_the_documents_code(
    site: Path, module: str
) -> None:
    ran(site, ROOT / "node_modules/.bin/tsc", "--project", "tsconfig.json", "--module", module)


def test_publint_finds_nothing_to_say_of_the_package(site: Path) -> None:
    publint = ROOT / "node_modules/.bin/publint"
    ran(site, publint, site / INSTALLED, "--strict", "--pack", "false")


def test_editors_know_a_type_and_a_sentence_of_all_that_the_element_has(site: Path) -> None:
    described = json.loads((site / INSTALLED / "package.json").read_text())["customElements"]
    manifest = site / INSTALLED / described
    schema = ROOT / "node_modules/custom-elements-manifest/schema.json"
    ran(site, sys.executable, "-m", "check_jsonschema", "--schemafile", schema, manifest)
    [module] = json.loads(manifest.read_text(encoding="utf-8"))["modules"]
    [element] = module["declarations"]
    for kind in ("attributes", "members", "events", "slots", "cssParts", "cssProperties"):
        assert element[kind]
        assert [each["name"] for each in element[kind] if not each["description"]] == []
        is_typed = kind in {"attributes", "members", "events"}
        types = [each.get("type") or each["return"]["type"] for each in element[kind] if is_typed]
        assert all(each["text"] for each in types)


def test_nodejs_says_what_is_being_written_and_sees_it_said(site: Path, broker: Demo) -> None:
    told = lines(ran(site, NODE, "visit.ts", broker.url))
    assert told[0]["receipt"]["turnId"] == "t-1"
    assert said(broker, told[0]["sessionId"]) == ["I am an avatar.", "I say what is being written."]
    assert {"text": "I am an avatar. I say what is being written.", "said": "done"} in told
    assert told[-2] == {"state": "ended", "endReason": "visitor"}
    assert told[-1] == {"mine": []}


def test_the_documents_backend_says_what_it_writes_and_ends_the_session(
    site: Path, broker: Demo
) -> None:
    code = (site / "backend.js").read_text(encoding="utf-8")
    assert "http://127.0.0.1:8000" in code
    (site / "backend.js").write_text(code.replace("http://127.0.0.1:8000", broker.url))
    told = ran(site, NODE, "backend.js", SERVICE_TOKEN=TOKEN)
    assert told.splitlines()[-1] == "Your parcel is on its way. It comes today. done"


def test_a_stop_ends_what_is_being_written_and_its_writer(site: Path, broker: Demo) -> None:
    told = lines(ran(site, NODE, "stop.ts", broker.url))
    assert told == [{"state": "interrupted"}]


async def test_events_go_on_over_a_lost_connection_with_nothing_lost_and_nothing_twice(
    site: Path, broker: Demo
) -> None:
    by_token = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        passing(urlsplit(broker.url).port or 0) as proxy,
        httpx.AsyncClient(base_url=broker.url, headers=by_token) as shop,
    ):
        following = await asyncio.create_subprocess_exec(
            *(NODE, "follow.ts", f"http://127.0.0.1:{proxy.port}", TOKEN),
            cwd=site,
            stdout=subprocess.PIPE,
        )
        assert following.stdout is not None
        session_id = json.loads(await following.stdout.readline())["sessionId"]
        control = f"/api/avatar-sessions/{session_id}"
        for text in ("Before.", "After."):
            (await shop.post(f"{control}/speak", json={"text": text})).raise_for_status()
            assert json.loads(await following.stdout.readline()) == {"said": text}
            proxy.reset()
        (await shop.post(f"{control}/end")).raise_for_status()
        rest, _ = await following.communicate()
    assert (following.returncode, rest) == (0, b"")


def test_a_login_is_asked_for_a_new_token_when_its_first_has_expired(
    site: Path, emulator: Running, tmp_path: Path
) -> None:
    login = FakeLogin(time.time)
    (tmp_path / "keys.json").write_bytes(published(*login.keys).content)
    expired, good = login.token(exp=int(time.time()) - 3600), login.token()
    with serving(tmp_path) as address:
        by_login = {name.upper(): value for name, value in BY_LOGIN.items()}
        by_login["AUTH_JWKS_URL"] = f"{address}/keys.json"
        with running_demo(emulator, tmp_path, **by_login) as demo:
            told = lines(ran(site, NODE, "sign-in.ts", demo.url, expired, good))
    assert told == [{"reasons": ["create", "expired", "resume", "resume"], "resumed": True}]
