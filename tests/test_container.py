"""The image, as far as it can be known without an engine to build it."""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from app.cli import _address, _parser
from app.config.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
START_SECONDS = 30
STOP_SECONDS = 10
"""Docker kills what has not stopped by then."""


@dataclass(frozen=True)
class Stage:
    """One `FROM` and the instructions below it."""

    base: str
    name: str
    instructions: tuple[tuple[str, str], ...]


def stages() -> list[Stage]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    found: list[Stage] = []
    for keyword, _, rest in (line.partition(" ") for line in lines if line.strip()):
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name, ()))
        else:
            last = found.pop()
            found.append(Stage(last.base, last.name, (*last.instructions, (keyword, rest.strip()))))
    return found


def whole(name: str) -> list[tuple[str, str]]:
    """The instructions of a stage, after those of the stages that it is built on."""
    by_name = {stage.name: stage for stage in stages()}
    if name not in by_name:
        return []
    stage = by_name[name]
    return [*whole(stage.base), *stage.instructions]


def last_of(name: str, keyword: str) -> str:
    return [rest for instruction, rest in whole(name) if instruction == keyword][-1]


def copied_from_here() -> list[str]:
    """The sources of every COPY that takes them from the repository."""
    return [
        source
        for stage in stages()
        for keyword, rest in stage.instructions
        if keyword == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]


# What it is made of


def test_the_base_image_is_pinned_and_its_python_is_one_that_we_support() -> None:
    node, base = sorted({stage.base for stage in stages()} - {stage.name for stage in stages()})
    version = re.fullmatch(r"python:3\.(\d+)-slim-\w+", base)
    assert version is not None, base
    assert int(version[1]) >= 11
    assert re.fullmatch(r"node:\d+-\w+-slim", node), node


def test_everything_that_is_installed_is_locked_and_a_wheel() -> None:
    installs = [rest for stage in stages() for _, rest in stage.instructions if " install " in rest]
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install
        assert "--only-binary :all:" in install


def test_the_demo_has_the_very_versions_of_the_broker() -> None:
    broker, demo = (
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("runtime.txt", "demo.txt")
    )
    assert broker < demo


def test_what_is_copied_exists_and_nothing_else_reaches_the_build() -> None:
    ignored, *rest = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    allowed = [line.removeprefix("!") for line in rest if line.startswith("!")]
    assert ignored == "*"
    assert "**/__pycache__" in rest
    assert sorted(allowed) == sorted(copied_from_here())
    for source in copied_from_here():
        assert (ROOT / source).exists(), source


def test_no_stage_has_a_setting_or_a_secret_in_it() -> None:
    names = [
        word.partition("=")[0]
        for stage in stages()
        for keyword, rest in stage.instructions
        if keyword in {"ARG", "ENV"}
        for word in shlex.split(rest)
    ]
    assert "PYTHONDONTWRITEBYTECODE" in names
    settings = {name.upper() for name in Settings.model_fields}
    for name in names:
        assert name == "HOST" or name not in settings
        assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|_KS", name), name


# What it does


@pytest.mark.parametrize("target", ["broker", "demo"])
def test_it_runs_as_a_number_that_is_not_root(target: str) -> None:
    user, _, group = last_of(target, "USER").partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_the_container_that_is_advised_has_no_rights_that_it_does_not_need() -> None:
    document = (ROOT / "docs/deployment.md").read_text(encoding="utf-8").replace("\\\n", "")
    (advised,) = re.findall(r"^docker run .*--env-file .*$", document, re.MULTILINE)
    for restriction in (
        *("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges"),
        *("--memory", "--pids-limit"),
    ):
        assert restriction in advised


def started(stage: str, monkeypatch: pytest.MonkeyPatch) -> tuple[argparse.Namespace, Settings]:
    """What the image starts, with the variables that it sets and no others."""
    for name in ("HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for keyword, rest in whole(stage):
        if keyword == "ENV":
            for word in shlex.split(rest):
                name, _, value = word.partition("=")
                if name in {"HOST", "PORT"}:
                    monkeypatch.setenv(name, value)
    options = _parser().parse_args(json.loads(last_of(stage, "CMD")))
    return options, load_settings(**_address(options))[0]


def test_a_plain_build_gives_the_broker_reachable_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = stages()[-1].name
    options, settings = started(last, monkeypatch)
    assert options.run is _parser().parse_args(["serve"]).run
    assert settings.host == "0.0.0.0"  # noqa: S104 - a container's own
    assert settings.port == int(last_of(last, "EXPOSE"))


def test_the_demo_stays_on_the_loopback_address_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options, settings = started("demo", monkeypatch)
    assert options.run is _parser().parse_args(["demo"]).run
    assert settings.host == "127.0.0.1"


@dataclass(frozen=True)
class Container:
    """A target as the image would start it, in a tree that is what the image has, read-only."""

    tree: Path
    files_before: dict[Path, int]
    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str) -> int:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, trust_env=False, timeout=5).status_code

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.get("/healthz")
            except httpx.HTTPError:
                assert self.process.poll() is None, "it ended"
                assert time.monotonic() < deadline, "it never answered"
                time.sleep(0.1)
            else:
                return


def files_in(tree: Path) -> dict[Path, int]:
    """When each file outside of the volume was changed."""
    every = (path for path in tree.rglob("*") if not path.is_relative_to(tree / "data"))
    return {path: path.stat().st_mtime_ns for path in every}


@contextmanager
def started_container(target: str, tree: Path) -> Iterator[Container]:
    for source in copied_from_here():
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, tree / source, ignore=ignored)
    for path in [tree, *tree.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program, *entrypoint = json.loads(last_of(target, "ENTRYPOINT"))
    assert program == "python"
    command = [sys.executable, *entrypoint, *json.loads(last_of(target, "CMD"))]
    environment = {
        "PATH": os.environ["PATH"],
        "HOST": "::" if socket.has_dualstack_ipv6() else "0.0.0.0",  # noqa: S104 - as in the image
        "PORT": str(port),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AVATAR_KS": "a-made-up-ks",
        "AVATAR_ID": "an-avatar",
    }
    before = files_in(tree)
    process = subprocess.Popen(command, cwd=tree, env=environment)  # noqa: S603 - our own command
    container = Container(tree, before, process, port)
    try:
        container.wait_until_it_answers()
        yield container
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The broker, which the last test stops."""
    with started_container("broker", tmp_path_factory.mktemp("broker")) as container:
        yield container


@pytest.fixture(scope="module")
def demo_container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with started_container("demo", tmp_path_factory.mktemp("demo")) as container:
        yield container


def healthcheck(port: int) -> int:
    """What the image's HEALTHCHECK says of a broker at `port`: 0 is healthy."""
    program, *arguments = json.loads(last_of("broker", "HEALTHCHECK").partition("CMD ")[2])
    assert program == "python"
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *arguments],
        env={"PORT": str(port), "http_proxy": "http://127.0.0.1:9"},  # which must not be asked
        capture_output=True,
        check=False,
    )
    return done.returncode


def test_the_copied_files_are_all_it_needs_and_it_writes_nothing_but_its_data(
    container: Container, demo_container: Container
) -> None:
    for each in (container, demo_container):
        for path in ("/", "/docs", "/problems/at-capacity", "/static/style.css", "/openapi.json"):
            assert each.get(path) == 200, path
        assert files_in(each.tree) == each.files_before


def test_the_data_outlive_the_container_and_are_its_users(container: Container) -> None:
    volume, user = last_of("broker", "VOLUME"), last_of("broker", "USER").split(":")
    assert volume == f"{last_of('broker', 'WORKDIR')}/data"
    (made,) = [rest for keyword, rest in whole("broker") if keyword == "RUN" and volume in rest]
    assert made.split()[:-1] == ["install", "--directory", "--owner", user[0], "--group", user[1]]
    assert (container.tree / "data" / "broker.db").exists()


def test_the_demo_has_its_emulator_with_it(demo_container: Container) -> None:
    url = f"http://127.0.0.1:{demo_container.port}/api/create-avatar-session"
    assert httpx.post(url, trust_env=False, timeout=START_SECONDS).status_code == 201


class Broken(BaseHTTPRequestHandler):
    """Answers, but says that it is not well."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: this is no server to watch."""


def test_the_healthcheck_heeds_the_status() -> None:
    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert healthcheck(server.server_port) != 0
        thread.join()


def test_the_healthcheck_tells_a_broker_that_lives_from_one_that_stops_when_docker_asks_it_to(
    container: Container,
) -> None:
    assert healthcheck(container.port) == 0
    container.process.send_signal(signal.SIGTERM)
    assert container.process.wait(timeout=STOP_SECONDS) in {0, -signal.SIGTERM}
    assert healthcheck(container.port) != 0
