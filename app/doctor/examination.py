"""The doctor's examination: all checks, each after those that it depends on."""

import asyncio
import time
from collections.abc import Callable
from types import FrameType

from app.config.settings import Settings
from app.doctor.catalog import check_catalog
from app.doctor.checks import CheckResult, CheckRunner, Verdict, as_json, line_reporter
from app.doctor.connectivity import check_connection, compare_clocks
from app.doctor.environment import check_address, check_database, check_sdk
from app.doctor.ks import describe_ks
from app.doctor.session_check import SessionCheck, kaltura_failure
from app.doctor.site import check_site
from app.kaltura.client import KalturaClient
from app.kaltura.control_transport import ControlTransport
from app.kaltura.errors import KalturaError
from app.server.process import exit_code, on_ending_signals, url
from app.sessions.assembly import kaltura_client
from app.sessions.clock import Clock, Clocks
from app.sessions.readiness import warnings_of


async def examine(settings: Settings, *, host: str, port: int, in_json: bool) -> int:
    """Run all checks and print their results; returns the exit code, 0 if nothing is wrong.

    One session is opened, and ended in any case. After a signal the exit code is that signal's.
    """
    settings.required_to_serve()
    asking, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert asking is not None  # noqa: S101 - a coroutine runs in one
    interrupted_by: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        interrupted_by.append(number)
        loop.call_soon_threadsafe(asking.cancel)

    on_ending_signals(interrupt)
    try:
        checks = await run_checks(settings, host=host, port=port, report=_reporter(in_json=in_json))
    except asyncio.CancelledError:
        return exit_code(interrupted_by[0])
    return _concluded(checks, in_json=in_json)


async def examine_site(settings: Settings, site: str, *, in_json: bool) -> int:
    """Check whether pages of the origin `site` can use the broker; no session is opened.

    Prints the results, and returns the exit code, 0 if nothing is wrong.
    """
    checks = CheckRunner(_reporter(in_json=in_json))
    broker = settings.public_url or url(settings.host, settings.port)
    await check_site(settings, site, broker, checks)
    return _concluded(checks, in_json=in_json)


async def run_checks(
    settings: Settings,
    *,
    host: str,
    port: int,
    report: Callable[[CheckResult], None],
    clock: Clock = time.time,
) -> CheckRunner:
    """Run all checks, and pass each result to `report`; `clock` gives unix seconds."""
    checks = CheckRunner(report)
    _report_settings(settings, checks)
    await checks.run("address", lambda: check_address(host, port))
    await checks.run("database", lambda: check_database(settings))
    origin, seconds = settings.public_url or url(host, port), settings.upstream_timeout_seconds
    await checks.run("SDK", lambda: check_sdk(settings, origin, seconds))
    await _check_kaltura(settings, checks, clock)
    return checks


def _reporter(*, in_json: bool) -> Callable[[CheckResult], None]:
    return (lambda _: None) if in_json else line_reporter()


def _concluded(checks: CheckRunner, *, in_json: bool) -> int:
    if in_json:
        print(as_json(checks))
    return 0 if checks.succeeded else 1


def _report_settings(settings: Settings, checks: CheckRunner) -> None:
    voice = settings.avatar_voice_id or "none"
    shown = f"{settings.environment}, avatar {settings.avatar_id}, voice {voice}"
    checks.add(CheckResult("settings", Verdict.WELL, shown))
    for warning in warnings_of(settings):
        checks.add(CheckResult("settings", Verdict.WARNING, warning))


async def _check_kaltura(settings: Settings, checks: CheckRunner, clock: Clock) -> None:
    base_url, transport = settings.avatar_base_url, ControlTransport()
    await checks.run("Kaltura", lambda: check_connection(base_url, "AVATAR_BASE_URL", clock))
    client = kaltura_client(settings, transport, Clocks(wall=clock))
    try:
        await checks.run(
            "clock",
            lambda: compare_clocks(base_url, transport, clock, settings.upstream_timeout_seconds),
            needs=("Kaltura",),
        )
        await _check_ks(settings, client, checks, clock)
        await checks.run(
            "catalog", lambda: check_catalog(settings, client.catalog), needs=("Kaltura", "KS")
        )
        await SessionCheck(settings, client, checks, clock).run()
    finally:
        await client.aclose()


async def _check_ks(
    settings: Settings, client: KalturaClient, checks: CheckRunner, clock: Clock
) -> None:
    """Check that a KS is set or can be made; create shows whether Kaltura accepts it."""
    ks = settings.avatar_ks

    async def read() -> str:
        assert ks is not None  # noqa: S101 - asked below
        if settings.upstream_is_local:
            return "AVATAR_KS as it is set"  # an emulator accepts any text
        return describe_ks(ks.get_secret_value(), clock())

    async def make() -> str:
        try:
            await client.obtain_ks()
        except KalturaError as error:
            raise kaltura_failure(error, settings) from error
        maker = "KALTURA_APP_TOKEN" if settings.kaltura_app_token else "KALTURA_ADMIN_SECRET"
        return f"made from {maker} at {settings.kaltura_api_url}"

    if ks is not None:
        await checks.run("KS", read)
        return
    api_url = settings.kaltura_api_url
    await checks.run("core API", lambda: check_connection(api_url, "KALTURA_API_URL", clock))
    await checks.run("KS", make, needs=("core API",))
