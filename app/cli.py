"""The command `avatar-broker`.

What only the broker needs is imported by those who start it: it takes longer than all the rest, and
whoever mistyped a setting, asks for help or is the demo's emulator can do without.
"""

import argparse
import asyncio
import gc
import importlib.util
import ipaddress
import logging
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from app import __version__
from app.config.ks_settings import KS_SETTINGS, MINT_SETTINGS
from app.config.settings import ENV_FILE, Settings, load_settings
from app.config.sources import SettingsError, configured, lend_to_libraries, read_env_file
from app.demo import emulator_beside, is_emulator
from app.kaltura.contract import MIRROR_PATH
from app.observability.logs import configure_logging
from app.observability.pseudonyms import Pseudonyms
from app.server.output import never_wait_for_readers, open_standard_streams
from app.server.process import keep_what_is_loaded, listen, serve, serve_for_parent, url_of
from app.server.startup import Startup

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

HOST: Final = "127.0.0.1"
PORT: Final = 8000
EMULATOR_PORT: Final = 8001
MAX_PORT: Final = 65535
MISCONFIGURED: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; a wrong setting ends it with one line and exit code 2."""
    gc.disable()  # while code is loaded there is none
    open_standard_streams()
    try:
        options = _parser().parse_args(arguments)
        sys.exit(options.run(options if options.run is _log_id else _with_address(options)))
    except SettingsError as error:
        print(f"avatar-broker: {error}", file=sys.stderr)
        sys.exit(MISCONFIGURED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        keep_what_is_loaded()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="avatar-broker",
        description="A backend-for-frontend for Kaltura avatars. Without a command: "
        "serve when a Kaltura Session or what makes one is configured, demo when neither is.",
    )
    _add_address(parser, PORT, unset=None)
    parser.set_defaults(run=_serve_or_demo)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="")
    for name, run, port, text in (
        ("serve", _serve, PORT, "the broker, in front of Kaltura"),
        ("demo", _demo, PORT, "the broker with an emulator behind it: no account needed"),
        ("emulator", _emulator, EMULATOR_PORT, "a stand-in Kaltura with a face and a voice"),
        ("doctor", _doctor, PORT, "try every step with Kaltura and name the one that fails"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        _add_address(command, port, unset=argparse.SUPPRESS)  # as before the command
        command.set_defaults(run=run)
        if name == "emulator":
            command.add_argument("--fd", type=int, help=argparse.SUPPRESS)  # for `demo` alone
            about_still = "a picture that does not move and costs little, for tests of all else"
            command.add_argument("--still", action="store_true", help=about_still)
        if name == "doctor":
            command.add_argument("--json", action="store_true", help="tell it to a machine")
    text = "what the log says in place of an id"
    command = commands.add_parser("log-id", help=text, description=text)
    command.add_argument("id", help="the id of a session, of a visitor or of a ticket")
    command.set_defaults(run=_log_id)
    return parser


def _add_address(parser: argparse.ArgumentParser, port: int, unset: str | None) -> None:
    text = "address to listen on (default: HOST of the environment, or %s)"
    parser.add_argument("--host", default=unset, help=text % HOST)
    text = "default: PORT of the environment, or %d"
    parser.add_argument("--port", default=unset, type=_port, help=text % port)
    parser.set_defaults(default_port=port)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to {MAX_PORT}")
    return int(text)


def _with_address(options: argparse.Namespace) -> argparse.Namespace:
    """The options, with the environment's `PORT` and `HOST` where the command line has none.

    Some shells set `HOST` to the name of the machine. Listening there would open the broker to the
    network unasked, so only an address, or `localhost`, counts.
    """
    if options.port is None:
        port = os.environ.get("PORT") or str(options.default_port)
        try:
            options.port = _port(port)
        except argparse.ArgumentTypeError as error:
            raise SettingsError(f"PORT is malformed: {error}") from error
    if options.host is None:
        host = os.environ.get("HOST", "")
        options.host = host if _is_address(host) else HOST
    return options


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _serve_or_demo(options: argparse.Namespace) -> int:
    given = configured(ENV_FILE)
    names = [name.upper() for name in KS_SETTINGS]
    has_ks = any(given.get(name) or given.get(f"{name}_FILE") for name in names)
    return (_serve if has_ks else _demo)(options)


def _serve(options: argparse.Namespace) -> int:
    settings, without_effect = load_settings()
    if settings.environment == "production" and settings.upstream_is_local:
        _refuse_emulator(settings.avatar_base_url)
    return _run_broker(settings, without_effect, options)


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
    with emulator_beside(ks) as base_url:
        settings, without_effect = load_settings(
            **dict.fromkeys(MINT_SETTINGS),
            avatar_ks=ks,
            avatar_base_url=base_url,
            avatar_id=DEFAULT_AVATAR_ID,
            avatar_voice_id=DEFAULT_VOICE_ID,
            **_forgetful(),
        )
        return _run_broker(settings, without_effect, options)


def _require_development() -> None:
    if configured(ENV_FILE).get("ENVIRONMENT") == "production":
        raise SettingsError(
            "ENVIRONMENT=production has no demo, because its avatar is an emulator's: "
            "set AVATAR_KS and AVATAR_ID, or ENVIRONMENT=development"
        )


def _forgetful() -> dict[str, str]:
    """The demo's emulator ends with it, and so do its sessions: no need to write them down."""
    from app.db.database import IN_MEMORY  # noqa: PLC0415 - see above

    return {} if configured(ENV_FILE).get("DATABASE_URL") else {"database_url": IN_MEMORY}


def _with_database(settings: Settings) -> Settings:
    """The settings, with the database in memory where the default one can't be written.

    So that the broker also runs where it may write nothing; it warns of what that costs.
    """
    from app.db.database import IN_MEMORY, require_writable  # noqa: PLC0415 - see above

    try:
        require_writable(settings.database_url)
    except SettingsError:
        if "database_url" in settings.model_fields_set:
            raise
        return settings.model_copy(update={"database_url": IN_MEMORY})
    return settings


def _run_broker(settings: Settings, without_effect: list[str], options: argparse.Namespace) -> int:
    from app.main import create_app  # noqa: PLC0415 - see above
    from app.sessions.keyring import keyring_of  # noqa: PLC0415 - see above

    never_wait_for_readers()
    settings = _with_database(settings)
    traces = _tracer_provider()
    pseudonyms = Pseudonyms(keyring_of(settings).logs()[0])
    configure_logging(pseudonyms=pseudonyms, traced=traces is not None)
    app = create_app(settings, tracer_provider=traces)
    listening = listen(options.host, options.port)
    if without_effect:
        print(f"Set, but without effect in this version: {', '.join(without_effect)}")
    starting = Startup(app, lambda: print(f"Avatar Broker: open {url_of(listening)}", flush=True))
    try:
        return serve(starting, listening)
    except SystemExit:
        starting.require()
        raise


def _tracer_provider() -> "TracerProvider | None":
    """What makes spans, where the environment or `.env` says where they go."""
    from app.observability.tracing import are_traces_wanted  # noqa: PLC0415 - see above

    lend_to_libraries(read_env_file(ENV_FILE), os.environ)
    if not are_traces_wanted(os.environ):
        return None
    from app.observability.spans import tracer_provider  # noqa: PLC0415 - costs nothing where off

    return tracer_provider(os.environ)


def _emulator(options: argparse.Namespace) -> int:
    _require_emulator()
    from app.emulator.main import create_emulator  # noqa: PLC0415 - an extra
    from app.emulator.settings import EmulatorSettings  # noqa: PLC0415 - an extra

    if options.fd is not None:
        never_wait_for_readers()
        configure_logging()
        emulator = create_emulator(EmulatorSettings(ks=os.environ["AVATAR_KS"]))
        return serve_for_parent(emulator, socket.socket(fileno=options.fd))
    given = load_settings()[0].avatar_ks
    never_wait_for_readers()
    configure_logging()
    ks = given.get_secret_value() if given else None
    emulator = create_emulator(EmulatorSettings(ks=ks, is_still=options.still))
    listening = listen(options.host, options.port)
    url = url_of(listening)
    print(f"Emulator: AVATAR_BASE_URL={url}{MIRROR_PATH}")
    print(f"          AVATAR_KS: {'the configured one' if ks else 'any'}")
    print(f"          sessions and their calls: {url}/emulator/sessions", flush=True)
    return serve(emulator, listening)


def _require_emulator() -> None:
    if importlib.util.find_spec("aiortc") is None:
        raise SettingsError("the emulator is not installed: pip install 'avatar-broker[emulator]'")


def _log_id(options: argparse.Namespace) -> int:
    """One line for each key of SECRET_KEY, the present one first."""
    from app.sessions.keyring import keyring_of  # noqa: PLC0415 - see above

    settings, _ = load_settings()
    for key in keyring_of(settings).logs():
        print(Pseudonyms(key).of(options.id))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from app.doctor.examination import examine  # noqa: PLC0415 - see above

    settings, _ = load_settings()
    never_wait_for_readers()  # it has a session open meanwhile
    configure_logging()
    logging.getLogger().setLevel(logging.WARNING)  # it tells of each step itself
    keep_what_is_loaded()
    return asyncio.run(
        examine(settings, host=options.host, port=options.port, in_json=options.json)
    )
