"""The command `avatar-broker`.

The broker's own modules are imported only by the commands that start it: loading them takes longer
than everything else, and `--help`, a wrong setting and the demo's emulator do not need them.
"""

import argparse
import asyncio
import gc
import importlib.util
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import httpx
import structlog

from app import __version__
from app.config.ks_settings import KS_SETTINGS, MINT_SETTINGS
from app.config.setting_types import MAX_PORT
from app.config.settings import CHOICE_SETTINGS, ENV_FILE, Settings, load_settings
from app.config.sources import SettingsError, configured, export_to_libraries, read_env_file
from app.config.url_types import origin
from app.demo import is_emulator, run_emulator
from app.kaltura.contract import MIRROR_PATH
from app.observability.logs import configure_logging
from app.observability.pseudonyms import Pseudonyms
from app.server.output import open_standard_streams, use_non_blocking_output
from app.server.process import (
    DRAIN_SECONDS,
    end_with_parent,
    freeze_loaded_objects,
    listen,
    serve,
    serve_for_parent,
    url_of,
)
from app.server.startup import Startup
from app.server.workers import MISCONFIGURED, Workers

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

PORT: Final = 8000
EMULATOR_PORT: Final = 8001
INTERRUPTED: Final = 130

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; wrong settings end it with a line for each and exit code 2."""
    gc.disable()  # loading code makes no garbage; `freeze_loaded_objects` enables it again
    open_standard_streams()
    try:
        options = _parser().parse_args(arguments)
        sys.exit(options.run(options))
    except SettingsError as error:
        for mistake in error.mistakes:
            print(f"avatar-broker: {mistake}", file=sys.stderr)
        sys.exit(MISCONFIGURED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        freeze_loaded_objects()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="avatar-broker",
        description="A backend-for-frontend for Kaltura avatars. Without a command: "
        "serve when a Kaltura Session or what makes one is configured, demo when neither is.",
    )
    _add_address(parser, PORT, unset=None)
    parser.set_defaults(run=_serve_or_demo, workers=None, worker=None)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="")
    for name, run, port, text in (
        ("serve", _serve, PORT, "the broker, in front of Kaltura"),
        ("demo", _demo, PORT, "the broker with an emulator behind it: no account needed"),
        ("emulator", _emulator, EMULATOR_PORT, "a stand-in Kaltura with a face and a voice"),
        ("doctor", _doctor, PORT, "try every step with Kaltura and name the one that fails"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        # SUPPRESS: an address given before the command stays.
        _add_address(command, port, unset=argparse.SUPPRESS)
        command.set_defaults(run=run)
        if name == "emulator":
            # The descriptor of a listening socket, which `run_emulator` passes on.
            command.add_argument("--fd", type=int, help=argparse.SUPPRESS)
            about_still = "a picture that does not move and costs little, for tests of all else"
            command.add_argument("--still", action="store_true", help=about_still)
        if name == "serve":
            _add_workers(command)
        if name == "doctor":
            command.add_argument("--json", action="store_true", help="print the results as JSON")
            about_origin = "check instead whether the pages of this site can use the broker"
            command.add_argument("--origin", type=_origin, help=about_origin)
    text = "what the log says in place of an id"
    command = commands.add_parser("log-id", help=text, description=text)
    command.add_argument("id", help="the id of a session, of a visitor or of a ticket")
    command.set_defaults(run=_log_id)
    return parser


def _add_address(parser: argparse.ArgumentParser, port: int, unset: str | None) -> None:
    text = "address to listen on (default: HOST of the environment or of .env, or 127.0.0.1)"
    parser.add_argument("--host", default=unset, help=text)
    text = "default: PORT of the environment or of .env, or %d"
    parser.add_argument("--port", default=unset, type=_port, help=text % port)


def _add_workers(command: argparse.ArgumentParser) -> None:
    text = "processes that serve (default: WEB_CONCURRENCY of the environment or of .env, or 1)"
    command.add_argument("--workers", type=int, help=text)
    # The number of a worker, and the descriptor of the socket that all of them serve.
    command.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    command.add_argument("--fd", type=int, help=argparse.SUPPRESS)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {MAX_PORT}")
    return int(text)


def _origin(text: str) -> str:
    try:
        return origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def _address(options: argparse.Namespace) -> dict[str, Any]:
    """The host and port of the command line, as settings."""
    given = {"host": options.host, "port": options.port}
    return {name: value for name, value in given.items() if value is not None}


def _serve_or_demo(options: argparse.Namespace) -> int:
    given = configured(ENV_FILE)
    names = [name.upper() for name in KS_SETTINGS]
    has_ks = any(given.get(name) or given.get(f"{name}_FILE") for name in names)
    return (_serve if has_ks else _demo)(options)


def _serve(options: argparse.Namespace) -> int:
    workers = {} if options.workers is None else {"web_concurrency": options.workers}
    settings, without_effect = load_settings(to_serve=True, **_address(options), **workers)
    if options.worker is not None:
        end_with_parent()
        shared = socket.socket(fileno=options.fd)
        return _run_broker(_of_worker(settings, options.worker), [], shared, options.worker)
    if settings.environment == "production" and settings.upstream_is_local:
        _refuse_emulator(settings.avatar_base_url)
    if settings.web_concurrency > 1:
        return _run_workers(settings, without_effect)
    return _run_broker(settings, without_effect)


def _of_worker(settings: Settings, worker: int) -> Settings:
    """The settings of one worker, which the other replicas reach at a port of its own.

    The port is that of `REPLICA_URL` for the first worker, the next for the second, and so on;
    without `REPLICA_URL` it is any free port.
    """
    own: dict[str, Any] = {"port": 0, "web_concurrency": 1}
    if settings.replica_url is not None:
        first = httpx.URL(settings.replica_url)
        port = (first.port or (443 if first.scheme == "https" else 80)) + worker - 1
        own |= {"port": port, "replica_url": str(first.copy_with(port=port))}
    return settings.model_copy(update=own)


def _run_workers(settings: Settings, without_effect: list[str]) -> int:
    from app.db.database import is_postgres  # noqa: PLC0415 - see above

    count = settings.web_concurrency
    if not is_postgres(settings.database_url):
        raise SettingsError(
            f"WEB_CONCURRENCY={count} needs Postgres, in which processes share sessions, and "
            "DATABASE_URL is SQLite: name a Postgres, or set WEB_CONCURRENCY=1"
        )
    use_non_blocking_output()
    configure_logging(level=settings.log_level)
    listening = listen(settings.host, settings.port)
    _print_without_effect(without_effect)
    print(f"Avatar Broker: {count} workers open {url_of(listening)}", flush=True)
    descriptor = listening.fileno()
    command = [sys.executable, "-m", "app", "serve", "--host", settings.host]

    def command_of(worker: int) -> list[str]:
        return [*command, "--fd", str(descriptor), "--worker", str(worker)]

    code = asyncio.run(Workers(command_of, count, [descriptor]).run())
    log.info("stopped", exit_code=code)
    return code


def _print_without_effect(names: list[str]) -> None:
    if names:
        print(f"Set, but without effect in this version: {', '.join(names)}")


def _refuse_emulator(base_url: str) -> None:
    if is_emulator(base_url):
        raise SettingsError(
            "AVATAR_BASE_URL is an emulator's, and production is no place for one: "
            "unset AVATAR_BASE_URL for Kaltura's own, or set ENVIRONMENT=development"
        )


def _demo(options: argparse.Namespace) -> int:
    _require_development()
    _require_emulator()
    from app.emulator.settings import DEFAULT_AVATAR_ID, DEFAULT_VOICE_ID  # noqa: PLC0415 - an extra

    ks = secrets.token_urlsafe(16)
    with run_emulator(ks) as base_url:
        demo: dict[str, Any] = {
            **dict.fromkeys(MINT_SETTINGS),
            "avatar_ks": ks,
            "avatar_base_url": base_url,
            "avatar_id": DEFAULT_AVATAR_ID,
            "avatar_voice_id": DEFAULT_VOICE_ID,
        }
        defaults = _demo_database() | _demo_choice()
        settings, without_effect = load_settings(**demo, **defaults, **_address(options))
        return _run_broker(settings, without_effect)


def _require_development() -> None:
    if configured(ENV_FILE).get("ENVIRONMENT") == "production":
        raise SettingsError(
            "ENVIRONMENT=production has no demo, because its avatar is an emulator's: "
            "set AVATAR_KS and AVATAR_ID, or ENVIRONMENT=development"
        )


def _demo_database() -> dict[str, Any]:
    """The demo's default database, in memory: its sessions end with its emulator."""
    from app.db.database import IN_MEMORY  # noqa: PLC0415 - see above

    return {} if configured(ENV_FILE).get("DATABASE_URL") else {"database_url": IN_MEMORY}


def _demo_choice() -> dict[str, Any]:
    """The demo's default choice of avatars and voices: all that its emulator has."""
    from app.emulator.settings import CATALOG_TAG  # noqa: PLC0415 - an extra

    given = configured(ENV_FILE)
    is_given = any(given.get(name.upper()) for name in CHOICE_SETTINGS)
    return {} if is_given else {"avatar_catalog_tag": CATALOG_TAG}


def _with_database(settings: Settings) -> Settings:
    """The settings, with the database in memory where the default file can't be written.

    So the broker runs on a read-only disk too; a warning at the start says what is lost then.
    Raises `SettingsError` when a database that DATABASE_URL names can't be written.
    """
    from app.db.database import IN_MEMORY, require_writable  # noqa: PLC0415 - see above

    try:
        require_writable(settings.database_url)
    except SettingsError:
        if "database_url" in settings.model_fields_set:
            raise
        return settings.model_copy(update={"database_url": IN_MEMORY})
    return settings


def _run_broker(
    settings: Settings,
    without_effect: list[str],
    shared: socket.socket | None = None,
    worker: int | None = None,
) -> int:
    """Serve the broker; a worker serves also the socket that it shares with the others."""
    from app.db.database import is_postgres  # noqa: PLC0415 - see above
    from app.main import create_app  # noqa: PLC0415 - see above
    from app.sessions.keyring import keyring_of  # noqa: PLC0415 - see above

    use_non_blocking_output()
    settings = _with_database(settings)
    traces = _tracer_provider()
    pseudonyms = Pseudonyms(keyring_of(settings).logs()[0])
    configure_logging(
        pseudonyms=pseudonyms,
        traced=traces is not None,
        level=settings.log_level,
        worker=worker,
        for_good=True,
    )
    listening = listen(settings.host, settings.port)
    host, port, *_ = listening.getsockname()
    stopping, drained = asyncio.Event(), asyncio.Event()
    app = create_app(
        settings,
        tracer_provider=traces,
        listening_at=(host, port),
        stopping=stopping,
        drained=drained,
    )
    _print_without_effect(without_effect)

    def announce() -> None:
        if worker is None:
            print(f"Avatar Broker: open {url_of(listening)}", flush=True)
        log.info("started", version=__version__, environment=settings.environment)

    starting = Startup(app, announce)
    try:
        # Only with Postgres can another process answer what a load balancer sends there instead.
        drain_seconds = DRAIN_SECONDS if is_postgres(settings.database_url) else 0
        sockets = [listening] if shared is None else [listening, shared]
        code = serve(
            starting,
            *sockets,
            on_stop=stopping.set,
            is_drained=drained.is_set,
            drain_seconds=drain_seconds,
        )
    except SystemExit:
        starting.raise_failure()
        raise
    log.info("stopped", exit_code=code)
    return code


def _tracer_provider() -> "TracerProvider | None":
    """The provider of spans; None unless the environment or `.env` names an endpoint for them."""
    from app.observability.tracing import are_traces_wanted  # noqa: PLC0415 - see above

    export_to_libraries(read_env_file(ENV_FILE), os.environ)
    if not are_traces_wanted(os.environ):
        return None
    from app.observability.spans import tracer_provider  # noqa: PLC0415 - loaded only when traced

    return tracer_provider(os.environ)


def _emulator(options: argparse.Namespace) -> int:
    _require_emulator()
    from app.emulator.main import create_emulator  # noqa: PLC0415 - an extra
    from app.emulator.settings import EmulatorSettings  # noqa: PLC0415 - an extra

    if options.fd is not None:
        use_non_blocking_output()
        configure_logging()
        emulator = create_emulator(EmulatorSettings(ks=os.environ["AVATAR_KS"]))
        return serve_for_parent(emulator, socket.socket(fileno=options.fd))
    settings, _ = load_settings(**_address(options))
    port = settings.port if "port" in settings.model_fields_set else EMULATOR_PORT
    use_non_blocking_output()
    configure_logging()
    ks = settings.avatar_ks.get_secret_value() if settings.avatar_ks else None
    emulator = create_emulator(EmulatorSettings(ks=ks, is_still=options.still))
    listening = listen(settings.host, port)
    url = url_of(listening)
    print(f"Emulator: AVATAR_BASE_URL={url}{MIRROR_PATH}")
    print(f"          AVATAR_KS: {'the configured one' if ks else 'any'}")
    print(f"          sessions and their calls: {url}/emulator/sessions", flush=True)
    return serve(emulator, listening)


def _require_emulator() -> None:
    if importlib.util.find_spec("aiortc") is None:
        raise SettingsError("the emulator is not installed: pip install 'avatar-broker[emulator]'")


def _log_id(options: argparse.Namespace) -> int:
    """Print the pseudonym that the log has for an id: a line for each key of SECRET_KEY."""
    from app.sessions.keyring import keyring_of  # noqa: PLC0415 - see above

    settings, _ = load_settings()
    for key in keyring_of(settings).logs():
        print(Pseudonyms(key).of(options.id))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from app.doctor.examination import examine, examine_site  # noqa: PLC0415 - see above

    settings, _ = load_settings(to_serve=True, **_address(options))
    if options.origin is not None:
        return asyncio.run(examine_site(settings, options.origin, in_json=options.json))
    use_non_blocking_output()  # a blocked output would keep a session open
    configure_logging(level="error")  # the doctor prints each step itself
    freeze_loaded_objects()
    return asyncio.run(
        examine(settings, host=settings.host, port=settings.port, in_json=options.json)
    )
