"""The commands, as real processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app import __version__, cli
from app.config.settings import load_settings
from app.kaltura.contract import MIRROR_PATH
from app.main import SHUTDOWN_SECONDS
from app.server.process import ENDING_SIGNALS, _Server, on_ending_signals
from tests.support.doubles import ADMIN_SECRET, APP_TOKEN, FakeClock
from tests.support.leaks import Kaltura
from tests.support.processes import (
    BACKSTAGE,
    STOP_SECONDS,
    Running,
    environment,
    free_port,
    run,
    run_program,
    running,
    stop,
    wait_until,
)
from tests.support.warm_start import WarmProcess

pytestmark = pytest.mark.process

KS = "a-ks-for-the-emulator"
KALTURA = {"AVATAR_KS": KS, "AVATAR_ID": "ada", "AVATAR_VOICE_ID": "emulator-voice-en-1"}


MAKES_KS = {
    "KALTURA_PARTNER_ID": "12345",
    "KALTURA_APP_TOKEN_ID": "1_token",
    "KALTURA_APP_TOKEN": APP_TOKEN,
}


@pytest.fixture(scope="module")
def strict_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that only `KS` opens."""
    folder = tmp_path_factory.mktemp("emulator")
    with running("emulator", folder, ready=BACKSTAGE, AVATAR_KS=KS) as emulator:
        yield emulator


@pytest.fixture
def kaltura(strict_emulator: Running) -> Iterator[Kaltura]:
    """What this test does there."""
    with httpx.Client(trust_env=False) as http:
        kaltura = Kaltura(http, strict_emulator.url)
        yield kaltura
        kaltura.plays()


@contextmanager
def core_api(**answers: object) -> Iterator[str]:
    """A Kaltura whose core API answers each action so; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answers[self.path.rpartition("/")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class Commands:
    """Commands that end before anything is started, without a process of their own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        for name in ("use_non_blocking_output", "configure_logging"):
            monkeypatch.setattr(cli, name, lambda **_: None)

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        for name, value in settings.items():
            self._monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        return subprocess.CompletedProcess(
            arguments, int(str(ended.value.code)), *self._capsys.readouterr()
        )


@pytest.fixture
def commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Commands:
    return Commands(monkeypatch, capsys, tmp_path)


@pytest.mark.parametrize("command", ["demo", "serve", "emulator", "doctor"])
def test_every_command_explains_itself(commands: Commands, command: str) -> None:
    told = commands.run(command, "--help")
    assert told.returncode == 0
    assert "--host" in told.stdout
    assert "--port" in told.stdout


NOT_SERVING = """
import gc, resource, sys, uvicorn
from app import cli
def run(*_, **__):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    print(gc.get_freeze_count() > 10_000, gc.isenabled(), gc.get_threshold()[0], soft == hard)
uvicorn.Server.run = run
cli.main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["serve", "emulator"])
def test_when_it_serves_garbage_is_seldom_looked_for_and_it_may_open_all_that_it_is_allowed(
    tmp_path: Path, command: str
) -> None:
    program = ("sh", "-c", 'ulimit -Sn 200; exec "$@"', "sh", sys.executable, "-c", NOT_SERVING)
    told = run_program(tmp_path, [*program, command, "--port", "0"], **KALTURA)
    assert told.stdout.splitlines()[-1] == "True True 20000 True", told.stderr


@pytest.mark.parametrize(
    ("command", "configured", "names"),
    [
        ("serve", {}, ["AVATAR_KS is missing: set it", "AVATAR_ID is missing: set it"]),
        ("doctor", {"AVATAR_KS": KS}, ["AVATAR_ID is missing: set it"]),
        ("serve", MAKES_KS, ["AVATAR_ID is missing: set it"]),
        (
            "doctor",
            {"KALTURA_ADMIN_SECRET": KS, "AVATAR_VOICEID": "x", "MAX_TEXT_LENGTH": "x"},
            [
                "did you mean AVATAR_VOICE_ID?",
                "MAX_TEXT_LENGTH is malformed",
                "KALTURA_PARTNER_ID is missing",
                "AVATAR_ID is missing: set it",
            ],
        ),
        ("serve", {**KALTURA, **MAKES_KS}, ["AVATAR_KS is set beside KALTURA_ settings"]),
    ],
)
def test_wrong_settings_are_a_line_each_and_exit_code_2(
    commands: Commands, command: str, configured: dict[str, str], names: list[str]
) -> None:
    told = commands.run(command, **configured)
    assert told.returncode == 2
    for line, name in zip(told.stderr.splitlines(), names, strict=True):
        assert line.startswith("avatar-broker: ")
        assert name in line
    assert KS not in told.stderr


@pytest.mark.parametrize(
    ("command", "configured", "names"),
    [
        (["serve"], {**KALTURA, "PUBLIC_URL": "https://a.example"}, "SECRET_KEY is missing"),
        (["demo"], {}, "ENVIRONMENT=production has no demo"),
        ([], {}, "ENVIRONMENT=production has no demo"),
    ],
)
def test_production_refuses_in_one_line_too(
    commands: Commands, command: list[str], configured: dict[str, str], names: str
) -> None:
    told = commands.run(*command, ENVIRONMENT="production", **configured)
    assert told.returncode == 2
    assert names in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "demo", "emulator"])
def test_a_port_that_is_taken_is_one_line_too(commands: Commands, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = commands.run(command, "--port", port, **KALTURA)
    assert told.returncode == 2
    assert f"can't listen on 127.0.0.1:{port} (it is in use)" in told.stderr.splitlines()[-1]
    assert "--port" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("command", "port"),
    [("serve", "65536"), ("demo", "-1"), ("emulator", "http"), ("doctor", "000070000")],
)
def test_what_is_no_port_is_told(commands: Commands, command: str, port: str) -> None:
    told = commands.run(command, f"--port={port}", **KALTURA)
    assert told.returncode == 2
    assert f"argument --port: {port!r} is no port" in told.stderr
    assert "Traceback" not in told.stderr


ADDRESSES: list[tuple[list[str], dict[str, str], str, tuple[str, int]]] = [
    ([], {}, "", ("127.0.0.1", 8000)),
    (["serve"], {"PORT": "9000", "HOST": "::"}, "", ("::", 9000)),
    (["demo"], {"PORT": "9000", "HOST": "localhost"}, "", ("localhost", 9000)),
    (["doctor"], {"PORT": "0", "HOST": "0.0.0.0"}, "", ("0.0.0.0", 0)),  # noqa: S104 - asked for
    (["serve"], {"HOST": "a-machine.example.com"}, "", ("127.0.0.1", 8000)),
    (["serve"], {"HOST": '"::1"', "PORT": "'9000'"}, "", ("::1", 9000)),
    (["--port", "7000", "serve"], {"PORT": "9000"}, "PORT=6000", ("127.0.0.1", 7000)),
    (["--host", "::1", "serve", "--port", "7000"], {"PORT": "x"}, "HOST=x", ("::1", 7000)),
    (["serve"], {}, "PORT=9000\nHOST='::'", ("::", 9000)),
    (["serve"], {"PORT": "9000", "HOST": "a-machine"}, "PORT=6000\nHOST=::", ("::", 9000)),
    (["serve"], {"PORT": "", "HOST": ""}, "port=6000\nHOST=", ("127.0.0.1", 6000)),
]


@pytest.mark.parametrize(("arguments", "environ", "dotenv", "address"), ADDRESSES)
def test_the_command_line_says_where_to_listen_and_else_the_environment_and_else_env(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    environ: dict[str, str],
    dotenv: str,
    address: tuple[str, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(dotenv, encoding="utf-8")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings, _ = load_settings(**cli._address(cli._parser().parse_args(arguments)))
    assert (settings.host, settings.port) == address


@pytest.mark.parametrize(
    ("configured", "port"), [({}, 8001), ({"PORT": ""}, 8001), ({"PORT": "9000"}, 9000)]
)
def test_the_emulator_has_a_port_of_its_own_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, configured: dict[str, str], port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in configured.items():
        monkeypatch.setenv(name, value)
    listening: list[tuple[str, int]] = []

    def listen(*address: Any) -> Any:
        listening.append(address)
        raise KeyboardInterrupt

    for name in ("use_non_blocking_output", "configure_logging"):
        monkeypatch.setattr(cli, name, lambda: None)
    monkeypatch.setattr(cli, "listen", listen)
    with pytest.raises(SystemExit):
        cli.main(["emulator"])
    assert listening == [("127.0.0.1", port)]


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80 80", "\N{SUPERSCRIPT TWO}"])
@pytest.mark.parametrize("in_file", [False, True])
def test_a_port_that_is_none_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    port: str,
    in_file: bool,  # noqa: FBT001 - a column of the table
) -> None:
    monkeypatch.chdir(tmp_path)
    if in_file:
        (tmp_path / ".env").write_text(f"PORT={port}", encoding="utf-8")
    else:
        monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit) as ended:
        cli.main(["emulator"])
    assert ended.value.code == 2
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith("avatar-broker: PORT is malformed: not a port: 0 to 65535")


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"avatar-broker {__version__}\n"


def test_without_a_command_a_configured_ks_means_serve(commands: Commands) -> None:
    told = commands.run(AVATAR_KS=KS)
    assert "AVATAR_ID is missing" in told.stderr


@pytest.mark.parametrize("name", [*MAKES_KS, "AVATAR_KS", "KALTURA_ADMIN_SECRET"])
@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_without_a_command_even_half_of_what_makes_a_ks_means_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, suffix: str
) -> None:
    (tmp_path / "value").write_text("5", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{name}{suffix}", "value" if suffix else "5")
    monkeypatch.setattr(cli, "_serve", lambda _: 17)
    monkeypatch.setattr(cli, "_demo", lambda _: pytest.fail("the demo was started"))
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 17


LOGGED = 'exec "$@"'
CLOSED = 'exec "$@" <&- >&- 2>&-'
FULL = 'exec "$@" >/dev/full 2>&1'
UNREAD = 'mkfifo p; exec 3<>p; head -c 65536 /dev/zero >&3; exec "$@" >&3 2>&3'


@pytest.mark.parametrize(
    ("shell", "ended_by", "code"),
    [
        (LOGGED, signal.SIGTERM, 0),
        (CLOSED, signal.SIGHUP, 129),
        (FULL, signal.SIGINT, 130),
        (UNREAD, signal.SIGQUIT, 131),
    ],
)
def test_whoever_reads_the_broker_and_whatever_ends_it_its_sessions_are_ended_first(
    tmp_path: Path, kaltura: Kaltura, shell: str, ended_by: signal.Signals, code: int
) -> None:
    settings = {**KALTURA, **_at(kaltura)}
    with running("serve", tmp_path, ready="/healthz", shell=shell, **settings) as broker:
        httpx.post(f"{broker.url}/api/create-avatar-session").raise_for_status()
        assert _states(kaltura) == ["live"]
        broker.process.send_signal(ended_by)
        assert broker.process.wait(STOP_SECONDS) == code
        assert _states(kaltura) == ["ended"]
        log = broker.log.read_text(encoding="utf-8")
        assert KS not in log
        if shell == LOGGED:
            events = re.findall(r'"event": "(started|stopped)"', log)
            assert events == ["started", "stopped"]


def test_a_second_signal_ends_the_broker_soon_whatever_it_waits_for(
    tmp_path: Path, kaltura: Kaltura
) -> None:
    with running("serve", tmp_path, ready="/healthz", **KALTURA, **_at(kaltura)) as broker:
        httpx.post(f"{broker.url}/api/create-avatar-session").raise_for_status()
        kaltura.plays({"operation": "end", "kind": "hang"})
        broker.process.send_signal(signal.SIGINT)
        wait_until("it ends its session", lambda: kaltura.calls("end") == 1)
        broker.process.send_signal(signal.SIGINT)
        assert broker.process.wait(SHUTDOWN_SECONDS) == 130
        assert "the next start ends" in broker.log.read_text(encoding="utf-8")


def test_a_signal_that_two_pass_on_is_one(clock: FakeClock) -> None:
    server = _Server(uvicorn.Config("app"), monotonic=clock)
    for after, hurries in ((0, False), (0.05, False), (0.2, True)):
        clock.advance(after)
        server.handle_exit(signal.SIGHUP, None)
        assert server.should_exit
        assert server.force_exit is hurries


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_only_a_hangup_that_was_ignored_at_the_start_stays_so(number: signal.Signals) -> None:
    before = [(one, signal.signal(one, signal.SIG_IGN)) for one in ENDING_SIGNALS]
    try:
        on_ending_signals(lambda *_: None)
        assert (signal.getsignal(number) is signal.SIG_IGN) == (number is signal.SIGHUP)
    finally:
        for one, handler in before:
            signal.signal(one, handler)


def test_production_is_no_place_for_an_emulator(tmp_path: Path) -> None:
    production = {
        **KALTURA,
        "ENVIRONMENT": "production",
        "SECRET_KEY": "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c",
        "PUBLIC_URL": "https://avatar.example.com",
    }
    with running("emulator", tmp_path, ready=BACKSTAGE) as emulator:
        address = {"AVATAR_BASE_URL": f"{emulator.url}{MIRROR_PATH}"}
        refused = run(tmp_path, "serve", **production, **address)
        assert refused.returncode == 2
        assert refused.stderr.startswith("avatar-broker: AVATAR_BASE_URL is an emulator's")
        assert len(refused.stderr.splitlines()) == 1
    with running("serve", tmp_path, ready="/healthz", **production, **address):
        pass  # what runs on this machine otherwise may be a way to Kaltura


def _at(kaltura: Kaltura) -> dict[str, str]:
    return {"AVATAR_BASE_URL": f"{kaltura.url}{MIRROR_PATH}"}


def _states(kaltura: Kaltura) -> list[str]:
    return [session["state"] for session in kaltura.sessions().values()]


def test_the_emulator_refuses_another_ks(kaltura: Kaltura) -> None:
    create = f"{kaltura.url}{MIRROR_PATH}/create"
    body = {"visualConfig": {"id": "ada"}}
    for ks, status in ((KS, 200), ("another", 401)):
        answer = httpx.post(create, json=body, headers={"Authorization": f"KS {ks}"})
        assert answer.status_code == status


def test_a_killed_demo_takes_its_emulator_along(tmp_path: Path) -> None:
    with running("demo", tmp_path, ready="/healthz", shell=LOGGED) as demo:
        with httpx.Client(base_url=demo.url) as visitor:
            session = visitor.post("/api/create-avatar-session").json()
            media = visitor.get(f"/api/avatar-sessions/{session['sessionId']}/media").json()
        emulator = re.match(r"http://127\.0\.0\.1:\d+", media["whepUrl"])
        assert emulator is not None
        os.kill(demo.process.pid, signal.SIGKILL)

        def is_gone() -> bool:
            try:
                httpx.get(emulator[0])
            except httpx.TransportError:
                return True
            return False

        wait_until("the emulator is gone", is_gone)


def test_the_doctor_names_what_is_wrong_and_ends_what_it_opened(
    tmp_path: Path, kaltura: Kaltura
) -> None:
    upstream = _at(kaltura)
    port = ("--port", str(free_port()))
    well = run(tmp_path, "doctor", *port, **KALTURA, **upstream)
    assert well.returncode == 0, well.stdout + well.stderr
    assert well.stderr == ""
    assert "\N{BALLOT X}" not in well.stdout
    assert _states(kaltura) == ["ended"]

    wrong = run(tmp_path, "doctor", *port, **{**KALTURA, **upstream, "AVATAR_KS": "x"})
    assert (wrong.returncode, wrong.stderr) == (1, "")
    [cross] = [line for line in wrong.stdout.splitlines() if line.startswith("\N{BALLOT X}")]
    assert re.fullmatch(
        r". create +\d+ ms  Kaltura refused the broker's credentials \(status 401\)", cross
    )

    told = json.loads(run(tmp_path, "doctor", "--json", *port, **KALTURA, **upstream).stdout)
    assert told["well"] is True


@pytest.mark.parametrize(
    ("stopped_by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_doctor_who_is_interrupted_ends_the_session_first(
    tmp_path: Path, kaltura: Kaltura, stopped_by: signal.Signals, code: int
) -> None:
    kaltura.plays({"operation": "say-text", "kind": "hang"})
    told = tmp_path / "told"
    arguments = ["doctor", "--port", str(free_port())]
    doctor = WarmProcess(arguments, tmp_path, environment(**KALTURA, **_at(kaltura)), told)
    wait_until("it waits for a text", lambda: "keep-alive" in told.read_text(encoding="utf-8"))
    doctor.send_signal(stopped_by)
    assert doctor.wait(STOP_SECONDS) == code
    _, _, rest = told.read_text(encoding="utf-8").partition("keep-alive")
    assert "end" in rest.split()
    assert "Traceback" not in rest
    assert _states(kaltura) == ["ended"]


def test_the_doctor_makes_a_ks_and_tells_who_refused_it(tmp_path: Path, kaltura: Kaltura) -> None:
    settings = {"AVATAR_ID": "ada", "AVATAR_VOICE_ID": "emulator-voice-en-1", **_at(kaltura)}
    by_secret = {"KALTURA_PARTNER_ID": "12345", "KALTURA_ADMIN_SECRET": ADMIN_SECRET}

    def doctor(makes_ks: dict[str, str], **answers: object) -> str:
        with core_api(**answers) as url:
            port = str(free_port())
            told = run(
                tmp_path, "doctor", "--port", port, KALTURA_API_URL=url, **settings, **makes_ks
            )
            assert told.returncode == (1 if "\N{BALLOT X}" in told.stdout else 0), told.stderr
            assert "canary" not in told.stdout + told.stderr
            return re.sub(r" +\d+ ms  ", ": ", told.stdout.replace(url, "URL"))

    widget = {"ks": "widget-ks"}
    told = doctor(MAKES_KS, startWidgetSession=widget, startSession={"ks": KS})
    assert "\N{CHECK MARK} KS: made from KALTURA_APP_TOKEN at URL" in told
    assert "\N{CHECK MARK} end" in told

    told = doctor(by_secret, start="another-ks")
    assert "\N{CHECK MARK} KS: made from KALTURA_ADMIN_SECRET at URL" in told
    assert "\N{BALLOT X} create: Kaltura refused the broker's credentials (status 401)" in told
    assert "KALTURA_ADMIN_SECRET is wrong" in told


def test_a_demo_whose_emulator_dies_says_so_and_stops(tmp_path: Path) -> None:
    with running("demo", tmp_path, ready="/healthz") as demo:
        [child] = _children(demo.process.pid)
        os.kill(child, signal.SIGKILL)
        assert demo.process.wait(20) == 1
        assert "the emulator has stopped" in demo.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("configured", ["AVATAR_KS_FILE={}/ks", "KALTURA_ADMIN_SECRET_FILE={}/ks"])
def test_a_demo_needs_no_setting_whatever_is_configured(tmp_path: Path, configured: str) -> None:
    (tmp_path / "ks").write_text("another", encoding="utf-8")
    (tmp_path / ".env").write_text(f"{configured.format(tmp_path)}\n", encoding="utf-8")
    with running("demo", tmp_path, ready="/healthz") as demo:
        answer = httpx.post(f"{demo.url}/api/create-avatar-session")
        assert answer.status_code == 201
        assert stop(demo.process) == 0


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in children.split()]
