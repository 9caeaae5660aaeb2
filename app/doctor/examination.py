"""The whole examination, in the order in which one thing rests on another."""

import asyncio
import time
from collections.abc import Callable
from types import FrameType

from app.config.settings import Settings
from app.doctor.around import check_address, check_database, check_sdk
from app.doctor.findings import Finding, Findings, Verdict, as_json, in_lines
from app.doctor.ks import told_of
from app.doctor.reach import compare_clocks, reach
from app.doctor.session import SessionCheck, trouble_of
from app.kaltura.client import KalturaClient
from app.kaltura.errors import KalturaError
from app.kaltura.transport import open_transport
from app.server.process import exit_code, on_ending_signals, url
from app.sessions.assembly import kaltura_client
from app.sessions.clock import Clock, Clocks
from app.sessions.readiness import warnings_of


async def examine(settings: Settings, *, host: str, port: int, in_json: bool) -> int:
    """Tell of each step; 0 only if nothing is wrong. It opens one session and ends it.

    Where a signal interrupts it, it ends the session first, and returns the signal's exit code.
    """
    settings.required_to_serve()
    asking, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert asking is not None  # noqa: S101 - a coroutine runs in one
    interrupted_by: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        interrupted_by.append(number)
        loop.call_soon_threadsafe(asking.cancel)

    on_ending_signals(interrupt)
    tell: Callable[[Finding], None] = (lambda _: None) if in_json else in_lines()
    try:
        findings = await findings_of(settings, host=host, port=port, tell=tell)
    except asyncio.CancelledError:
        return exit_code(interrupted_by[0])
    if in_json:
        print(as_json(findings))
    return 0 if findings.all_is_well else 1


async def findings_of(
    settings: Settings,
    *,
    host: str,
    port: int,
    tell: Callable[[Finding], None],
    clock: Clock = time.time,
) -> Findings:
    """All that is found; `clock` gives unix seconds."""
    findings = Findings(tell)
    _tell_settings(settings, findings)
    await findings.check("address", lambda: check_address(host, port))
    await findings.check("database", lambda: check_database(settings))
    origin, seconds = settings.public_url or url(host, port), settings.upstream_timeout_seconds
    await findings.check("SDK", lambda: check_sdk(settings, origin, seconds))
    await _check_kaltura(settings, findings, clock)
    return findings


def _tell_settings(settings: Settings, findings: Findings) -> None:
    voice = settings.avatar_voice_id or "none"
    shown = f"{settings.environment}, avatar {settings.avatar_id}, voice {voice}"
    findings.add(Finding("settings", Verdict.WELL, shown))
    for warning in warnings_of(settings):
        findings.add(Finding("settings", Verdict.WARNING, warning))


async def _check_kaltura(settings: Settings, findings: Findings, clock: Clock) -> None:
    base_url, transport = settings.avatar_base_url, open_transport()
    await findings.check("Kaltura", lambda: reach(base_url, "AVATAR_BASE_URL", clock))
    client = kaltura_client(settings, transport, Clocks(wall=clock))
    try:
        await findings.check(
            "clock",
            lambda: compare_clocks(base_url, transport, clock, settings.upstream_timeout_seconds),
            needs=("Kaltura",),
        )
        await _check_ks(settings, client, findings, clock)
        await SessionCheck(settings, client, findings, clock).run()
    finally:
        await client.aclose()


async def _check_ks(
    settings: Settings, client: KalturaClient, findings: Findings, clock: Clock
) -> None:
    """There is one, or one can be made; whether Kaltura's avatars accept it is seen at create."""
    ks = settings.avatar_ks

    async def read() -> str:
        assert ks is not None  # noqa: S101 - asked below
        if settings.upstream_is_local:
            return "AVATAR_KS as it is set"  # an emulator takes any
        return told_of(ks.get_secret_value(), clock())

    async def make() -> str:
        try:
            await client.obtain_ks()
        except KalturaError as error:
            raise trouble_of(error, settings) from error
        maker = "KALTURA_APP_TOKEN" if settings.kaltura_app_token else "KALTURA_ADMIN_SECRET"
        return f"made from {maker} at {settings.kaltura_api_url}"

    if ks is not None:
        await findings.check("KS", read)
        return
    api_url = settings.kaltura_api_url
    await findings.check("core API", lambda: reach(api_url, "KALTURA_API_URL", clock))
    await findings.check("KS", make, needs=("core API",))
