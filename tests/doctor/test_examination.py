"""The doctor, before an emulator in which one thing after the other is broken."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import socket
import sqlite3
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from structlog.testing import capture_logs

from app.doctor.checks import CheckFailed, CheckResult, CheckRunner, Verdict
from app.doctor.connectivity import MAX_SKEW_SECONDS
from app.doctor.environment import check_database, check_sdk
from app.doctor.examination import examine, run_checks
from app.migrations import HEAD
from tests.support.certificates import certificate
from tests.support.doubles import ADMIN_SECRET, BY_ADMIN_SECRET, settings
from tests.support.processes import BACKSTAGE, free_port, running
from tests.support.voice_service import voice_service

pytestmark = pytest.mark.process

KS = "canary-ks-for-the-emulator"
MODULE = b"export class KalturaAvatarSession {}"
Fault = dict[str, Any]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulator that all these tests share."""
    folder = tmp_path_factory.mktemp("emulator")
    with running("emulator", folder, ready=BACKSTAGE, AVATAR_KS=KS) as started:
        yield started.url


@pytest.fixture(autouse=True)
def _no_log() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


def configured(emulator: str, database: Path, **changes: Any) -> dict[str, Any]:
    return {
        "avatar_ks": KS,
        "avatar_base_url": f"{emulator}/v1/avatar-session",
        "database_url": f"sqlite+aiosqlite:///{database}",
        **changes,
    }


async def examined(values: dict[str, Any], *, shift: float = 0, port: int = 0) -> CheckRunner:
    reported: list[CheckResult] = []
    checks = await run_checks(
        settings(**values),
        host="127.0.0.1",
        port=port,
        report=reported.append,
        clock=lambda: time.time() + shift,
    )
    assert reported == checks.results
    assert "canary" not in str(reported), "no secret is reported"
    return checks


def crosses(checks: CheckRunner) -> list[CheckResult]:
    assert checks.succeeded is not any(f.verdict is Verdict.WRONG for f in checks.results)
    return [result for result in checks.results if result.verdict is Verdict.WRONG]


def play(emulator: str, *faults: Fault) -> None:
    answer = httpx.put(f"{emulator}/emulator/faults", json=list(faults), trust_env=False)
    answer.raise_for_status()


def every_session(emulator: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{emulator}/emulator/sessions", trust_env=False)
    listed: list[dict[str, Any]] = answer.json()["sessions"]
    return listed


def open_sessions(emulator: str) -> list[str]:
    return [one["sessionId"] for one in every_session(emulator) if one["state"] != "ended"]


@pytest.fixture(autouse=True)
def _no_session_is_left(emulator: str) -> Iterator[None]:
    play(emulator)
    yield
    play(emulator)
    assert open_sessions(emulator) == []


STEPS = (
    *("settings", "address", "database", "SDK", "Kaltura", "clock", "KS", "catalog"),
    *("create", "init-client", "WHEP", "keep-alive", "say-text", "interrupt", "end"),
)


async def test_where_all_is_well_each_step_has_its_tick_and_its_time(
    emulator: str, database: Path
) -> None:
    checks = await examined(configured(emulator, database))
    assert tuple(f.step for f in checks.results if f.verdict is Verdict.WELL) == STEPS
    assert all(f.milliseconds is not None for f in checks.results if f.step != "settings")
    assert [f.text for f in checks.results if f.verdict is Verdict.WARNING] == [
        "AVATAR_BASE_URL is on this machine: this is the emulator, not Kaltura"
    ]
    assert checks.succeeded


class Broken(NamedTuple):
    """What Kaltura does, what is set, and what must be named for it."""

    step: str
    names: str
    faults: tuple[Fault, ...] = ()
    changes: dict[str, Any] = {}  # noqa: RUF012 - never changed


def fails(operation: str, status: int, **more: Any) -> tuple[Fault, ...]:
    return ({"operation": operation, "kind": "status", "status": status, **more},)


def kind(operation: str, what: str, **more: Any) -> tuple[Fault, ...]:
    return ({"operation": operation, "kind": what, **more},)


BROKEN = {
    "a KS that is refused": Broken("create", "AVATAR_KS", changes={"avatar_ks": "canary-other"}),
    "a KS that may not": Broken("create", "not an admin KS", fails("create", 403)),
    "an avatar that is none": Broken("create", "AVATAR_ID", fails("create", 400)),
    "a voice that is none": Broken("voice", "AVATAR_VOICE_ID", fails("create", 400, times=1)),
    "a refusal sent as a success": Broken("create", "AVATAR_ID", kind("create", "success-false")),
    "another path": Broken("create", "AVATAR_BASE_URL", fails("create", 404)),
    "a redirect": Broken("create", "AVATAR_BASE_URL", kind("create", "redirect")),
    "a page for an answer": Broken("create", "AVATAR_BASE_URL", kind("create", "not-json")),
    "too many sessions": Broken("create", "higher limit", fails("create", 429)),
    "a Kaltura that fails": Broken("create", "status 500", fails("create", 500)),
    "a Kaltura that hangs": Broken(
        *("create", "UPSTREAM_TIMEOUT_SECONDS", kind("create", "hang")),
        {"upstream_timeout_seconds": 1},
    ),
    "no media": Broken("init-client", "status 500", fails("init-client", 500)),
    "media at no address": Broken(
        "init-client", "media address", kind("init-client", "override", body={"whepUrl": "ftp://x"})
    ),
    "media at a closed port": Broken(
        "WHEP",
        "connection refused",
        kind("init-client", "override", body={"whepUrl": f"http://127.0.0.1:{free_port()}/x"}),
    ),
    "no keep-alive": Broken("keep-alive", "status 400", fails("keep-alive", 400)),
    "no voice of Kaltura's": Broken("say-text", "AVATAR_VOICE_ID", fails("say-text", 503)),
    "no voice at all": Broken(
        *("say-text", "Set AVATAR_VOICE_ID", fails("say-text", 503)), {"avatar_voice_id": None}
    ),
    "no interrupt": Broken("interrupt", "status 500", fails("interrupt", 500)),
    "no answer to the end": Broken("end", "connection broke", kind("end", "lost-answer")),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_kaltura_does_wrong_is_named_and_nothing_else(
    emulator: str, database: Path, broken: Broken
) -> None:
    play(emulator, *broken.faults)
    checks = await examined(configured(emulator, database, **broken.changes))
    [cross] = crosses(checks)
    assert cross.step == broken.step
    assert broken.names in f"{cross.text} {cross.fix}"


async def test_one_run_names_everything_that_is_wrong(emulator: str, database: Path) -> None:
    play(emulator, *fails("say-text", 503), *fails("keep-alive", 400))
    database.mkdir()  # noqa: ASYNC240 - a test
    checks = await examined(configured(emulator, database), shift=100)
    named = [cross.step for cross in crosses(checks)]
    assert named == ["database", "clock", "keep-alive", "say-text"]


@pytest.mark.parametrize(
    ("faults", "changes", "told"),
    [
        ((), {"avatar_id": "ada"}, "have no name there"),
        ((), {"avatar_id": "ada", "avatar_voice_id": None}, "avatars to choose: 1, voices: 0"),
        (fails("catalog-item/list", 403), {}, "this KS may not read Kaltura's catalog"),
        (kind("catalog-item/list", "not-json"), {}, "an answer that can't be used"),
        ((), {"avatar_catalog_tag": "website"}, "carries AVATAR_CATALOG_TAG"),
    ],
)
async def test_what_the_catalog_is_good_for_is_told_and_nothing_fails_for_it(
    emulator: str, database: Path, faults: tuple[Fault, ...], changes: dict[str, Any], told: str
) -> None:
    play(emulator, *faults)
    checks = await examined(configured(emulator, database, **changes))
    [found] = [result for result in checks.results if result.step == "catalog"]
    assert told in found.text
    assert checks.succeeded


@pytest.fixture(scope="module")
def another_voice() -> Iterator[dict[str, Any]]:
    with voice_service() as service:
        yield {"tts_base_url": service.url, "tts_model": "tts-1", "tts_voice": "alloy"}


async def test_another_voice_is_tried_and_makes_a_warning_of_kaltura_s_refusal(
    emulator: str, database: Path, another_voice: dict[str, Any]
) -> None:
    play(emulator, *fails("say-text", 503))
    checks = await examined(configured(emulator, database, **another_voice))
    assert checks.succeeded
    verdicts = {result.step: result.verdict for result in checks.results}
    assert verdicts["say-text"] is Verdict.WARNING
    assert verdicts["other voice"] is verdicts["say-audio"] is Verdict.WELL


async def test_another_voice_that_fails_is_named(emulator: str, database: Path) -> None:
    changes = {"tts_base_url": emulator, "tts_api_key": "canary-tts-key"}
    checks = await examined(configured(emulator, database, **changes))
    [cross] = crosses(checks)
    assert cross.step == "other voice"
    assert "TTS_BASE_URL" in cross.text
    assert "404" in cross.text


async def test_by_choice_only_the_other_voice_is_tried(
    emulator: str, database: Path, another_voice: dict[str, Any]
) -> None:
    checks = await examined(configured(emulator, database, speech="audio", **another_voice))
    steps = [result.step for result in checks.results]
    assert "say-text" not in steps
    assert "say-audio" in steps


async def test_what_needs_what_failed_is_not_tried_but_for_the_rest(
    emulator: str, database: Path
) -> None:
    play(emulator, *fails("create", 500))
    checks = await examined(configured(emulator, database))
    untried = [f.step for f in checks.results if f.verdict is Verdict.UNTRIED]
    assert untried == ["init-client", "WHEP", "keep-alive", "say-text", "interrupt", "end"]
    assert checks.passed("SDK")


@pytest.mark.parametrize("shift", [-MAX_SKEW_SECONDS - 3, MAX_SKEW_SECONDS + 3])
async def test_a_clock_that_is_wrong_is_named(emulator: str, database: Path, shift: float) -> None:
    [cross] = crosses(await examined(configured(emulator, database), shift=shift))
    assert cross.step == "clock"
    assert ("ahead of" if shift > 0 else "behind") in cross.text
    assert "NTP" in cross.fix


async def test_a_clock_within_its_bounds_is_well(emulator: str, database: Path) -> None:
    assert not crosses(await examined(configured(emulator, database), shift=MAX_SKEW_SECONDS - 3))


async def test_an_address_that_is_taken_is_named(emulator: str, database: Path) -> None:
    with served({}) as port:
        [cross] = crosses(await examined(configured(emulator, database), port=port))
    assert cross.step == "address"
    assert "--port" in cross.text


# Reaching it


async def test_a_closed_port_is_named(database: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    [cross] = crosses(await examined(configured(url, database)))
    assert cross.step == "Kaltura"
    assert "connection refused" in cross.text
    assert "AVATAR_BASE_URL" in cross.fix


async def test_a_proxy_that_is_set_and_not_used_is_told(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    [cross] = crosses(await examined(configured(f"http://127.0.0.1:{free_port()}", database)))
    assert "HTTPS_PROXY is set, but the broker does not use it" in cross.fix


async def test_a_name_without_an_address_is_named(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    values = configured("https://kaltura.invalid", database, avatar_sdk_url="builtin")
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", nobody)
        [cross] = crosses(await examined(values))
    assert cross.step == "Kaltura"
    assert "kaltura.invalid has no address (DNS)" in cross.text


@contextlib.contextmanager
def served(
    answer: dict[str, str], body: bytes = b"", status: int = 200, tls: Path | None = None
) -> Iterator[int]:
    """A server on a port of its own that answers everything so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in answer.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # who only looks whether it is there hangs up
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # likewise
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("made", "trusted", "names", "fix"),
    [
        ({}, False, "self-signed certificate", "SSL_CERT_FILE"),
        ({"days": -1}, True, "certificate has expired", "this machine's clock"),
        (
            {"name": "elsewhere.test"},
            True,
            "Hostname mismatch",
            "AVATAR_BASE_URL must have",
        ),
    ],
    ids=["self-signed", "expired", "another's"],
)
async def test_a_certificate_that_is_not_trusted_is_named(
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: dict[str, Any],
    trusted: bool,  # noqa: FBT001 - a table
    names: str,
    fix: str,
) -> None:
    file = certificate(tmp_path, **made)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with served({}, tls=file) as port:
        [cross] = crosses(await examined(configured(f"https://localhost:{port}", database)))
    assert cross.step == "Kaltura"
    assert names in cross.text
    assert fix in cross.fix


async def test_a_certificate_that_ends_soon_is_a_warning(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path, days=5.5)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with served({}, tls=file) as port:
        checks = await examined(configured(f"https://localhost:{port}", database))
    [warning] = [f for f in checks.results if f.step == "Kaltura"]
    assert warning.verdict is Verdict.WARNING
    assert "ends in 5 days" in warning.text


async def test_a_server_without_tls_is_named(emulator: str, database: Path) -> None:
    secure = emulator.replace("http://127.0.0.1", "https://localhost")
    [cross] = crosses(await examined(configured(secure, database)))
    assert cross.step == "Kaltura"
    assert "does not speak TLS" in cross.text


async def test_a_core_api_that_is_not_there_is_named(emulator: str, database: Path) -> None:
    nowhere = {**BY_ADMIN_SECRET, "kaltura_api_url": f"http://127.0.0.1:{free_port()}"}
    [cross] = crosses(await examined(configured(emulator, database, **nowhere)))
    assert cross.step == "core API"
    assert "KALTURA_API_URL" in cross.fix


async def test_a_secret_that_kaltura_refuses_is_named(emulator: str, database: Path) -> None:
    refusal = {
        "objectType": "KalturaAPIException",
        "code": "START_SESSION_ERROR",
        "message": ADMIN_SECRET,
    }
    with served({"Content-Type": "application/json"}, json.dumps(refusal).encode()) as port:
        by_secret = {**BY_ADMIN_SECRET, "kaltura_api_url": f"http://127.0.0.1:{port}"}
        [cross] = crosses(await examined(configured(emulator, database, **by_secret)))
    assert cross.step == "KS"
    assert "KALTURA_ADMIN_SECRET" in cross.fix


# The database


async def test_a_locked_database_is_named(emulator: str, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CheckFailed, match="locked by another process"):
            await check_database(settings(**configured(emulator, database)), lock_seconds=0.1)
    assert not crosses(await examined(configured(emulator, database)))


async def test_what_is_no_database_is_named(emulator: str, database: Path) -> None:
    database.write_text("a letter to my aunt", encoding="utf-8")  # noqa: ASYNC240 - a test
    [cross] = crosses(await examined(configured(emulator, database)))
    assert cross.step == "database"
    assert "no SQLite database" in cross.text


@pytest.mark.parametrize(("revision", "is_newer"), [("0001", False), (HEAD, False), ("9999", True)])
async def test_a_database_of_a_newer_version_is_named(
    emulator: str,
    database: Path,
    revision: str,
    is_newer: bool,  # noqa: FBT001 - a table
) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    found = crosses(await examined(configured(emulator, database)))
    assert [cross.step for cross in found] == ["database"] * is_newer
    assert all("a newer version wrote there (revision 9999)" in cross.text for cross in found)


async def test_a_postgres_that_is_not_there_is_named(emulator: str, database: Path) -> None:
    url = f"postgresql+asyncpg://broker:canary-password@127.0.0.1:{free_port()}/broker"
    [cross] = crosses(await examined(configured(emulator, database) | {"database_url": url}))
    assert cross.step == "database"
    assert "Postgres can't be reached" in cross.text


@pytest.mark.parametrize(
    ("free", "verdict"), [(1 << 20, Verdict.WRONG), (100 << 20, Verdict.WARNING)]
)
async def test_a_disk_without_room_is_named(
    emulator: str, database: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict
) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    checks = await examined(configured(emulator, database))
    [found] = [result for result in checks.results if result.step == "database"]
    assert found.verdict is verdict
    assert f"{free >> 20} MB left" in found.text


async def test_a_default_database_that_can_not_be_written_is_a_warning(
    emulator: str, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("no folder", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    values = configured(emulator, database)
    del values["database_url"]
    chosen = settings(**values).model_copy()
    chosen = type(chosen).model_construct(
        _fields_set=chosen.model_fields_set - {"database_url"},
        **{**dict(chosen), "database_url": "sqlite+aiosqlite:///data/broker.db"},
    )
    checks = await run_checks(chosen, host="127.0.0.1", port=0, report=lambda _: None)
    [found] = [result for result in checks.results if result.step == "database"]
    assert found.verdict is Verdict.WARNING


# The SDK

JAVASCRIPT = {"Content-Type": "text/javascript; charset=utf-8", "Access-Control-Allow-Origin": "*"}


def sri(body: bytes, name: str = "sha384") -> str:
    return f"{name}-{b64encode(hashlib.new(name, body).digest()).decode()}"


@pytest.mark.parametrize(
    ("answer", "status", "integrity", "names"),
    [
        (JAVASCRIPT, 404, None, "answers 404"),
        (JAVASCRIPT | {"Content-Type": "text/html"}, 200, None, "not JavaScript (text/html)"),
        (JAVASCRIPT | {"Content-Type": "\x1bx"}, 200, None, "not JavaScript (no known type)"),
        ({"Content-Type": "text/javascript"}, 200, None, "Access-Control-Allow-Origin"),
        (JAVASCRIPT, 200, sri(b"another"), "AVATAR_SDK_INTEGRITY is not the hash"),
        (JAVASCRIPT, 200, f"{sri(MODULE)} {sri(b'x', 'sha512')}", "AVATAR_SDK_INTEGRITY is not"),
    ],
)
async def test_an_sdk_that_no_browser_runs_is_named(
    emulator: str,
    database: Path,
    answer: dict[str, str],
    status: int,
    integrity: str | None,
    names: str,
) -> None:
    with served(answer, MODULE, status) as port:
        changes = {
            "avatar_sdk_url": f"http://127.0.0.1:{port}/index.esm.js",
            "avatar_sdk_integrity": integrity,
        }
        [cross] = crosses(await examined(configured(emulator, database, **changes)))
    assert cross.step == "SDK"
    assert names in f"{cross.text} {cross.fix}"


async def test_an_sdk_may_allow_one_origin_alone() -> None:
    headers = JAVASCRIPT | {"Access-Control-Allow-Origin": "https://own.example"}
    with served(headers, MODULE) as port:
        chosen = settings(avatar_sdk_url=f"http://127.0.0.1:{port}/index.esm.js")
        assert await check_sdk(chosen, "https://own.example", seconds=20)
        with pytest.raises(CheckFailed, match="another origin"):
            await check_sdk(chosen, "https://other.example", seconds=20)


@pytest.mark.parametrize("integrity", [None, sri(MODULE), f"{sri(b'x', 'sha256')} {sri(MODULE)}"])
async def test_an_sdk_that_a_browser_runs_is_well(
    emulator: str, database: Path, integrity: str | None
) -> None:
    with served(JAVASCRIPT, MODULE) as port:
        url = f"http://127.0.0.1:{port}/index.esm.js"
        changes = {"avatar_sdk_url": url, "avatar_sdk_integrity": integrity}
        checks = await examined(configured(emulator, database, **changes))
    assert not crosses(checks)
    [sdk] = [result for result in checks.results if result.step == "SDK"]
    assert (f"AVATAR_SDK_INTEGRITY={sri(MODULE)}" in sdk.text) is (integrity is None)


async def test_an_sdk_that_can_not_be_had_is_named(emulator: str, database: Path) -> None:
    changes = {"avatar_sdk_url": f"http://127.0.0.1:{free_port()}/index.esm.js"}
    [cross] = crosses(await examined(configured(emulator, database, **changes)))
    assert (cross.step, "AVATAR_SDK_URL" in cross.text) == ("SDK", True)


# How it is told, and what it leaves


@pytest.mark.parametrize(
    ("before", "fault"),
    [("keep-alive", kind("say-text", "hang")), ("catalog", kind("create", "delay", seconds=0.4))],
    ids=["while it speaks", "while the session is being opened"],
)
async def test_whoever_interrupts_it_leaves_no_session_open(
    emulator: str, database: Path, before: str, fault: tuple[Fault, ...]
) -> None:
    opened = len(every_session(emulator))
    play(emulator, *fault)
    reached = asyncio.Event()

    def report(result: CheckResult) -> None:
        if result.step == before:
            reached.set()

    chosen = settings(**configured(emulator, database))
    examining = asyncio.create_task(run_checks(chosen, host="127.0.0.1", port=0, report=report))
    await reached.wait()
    examining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await examining
    assert len(every_session(emulator)) == opened + 1
    assert open_sessions(emulator) == []


async def test_it_can_be_told_to_a_machine(
    emulator: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(emulator, *fails("say-text", 503))
    chosen = settings(**configured(emulator, database))
    assert await examine(chosen, host="127.0.0.1", port=0, in_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["well"] is False
    [wrong] = [step for step in told["steps"] if step["verdict"] == "wrong"]
    assert wrong["step"] == "say-text"
    assert "AVATAR_VOICE_ID" in wrong["fix"]
    play(emulator)
    assert await examine(chosen, host="127.0.0.1", port=0, in_json=True) == 0


async def test_lines_are_aligned_and_a_fix_stands_below_its_cross(
    emulator: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(emulator, *fails("interrupt", 400))
    chosen = settings(**configured(emulator, database))
    assert await examine(chosen, host="127.0.0.1", port=0, in_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(STEPS) + 2  # a warning, and a fix
    [cross] = [line for line in lines if line.startswith("\N{BALLOT X}")]
    below = lines[lines.index(cross) + 1]
    begins = {
        line.index(word) for line in lines for word in ("development", "done") if word in line
    }
    assert begins == {cross.index("an answer")} == {len(below) - len(below.lstrip())}
    assert "\x1b" not in "".join(lines)
