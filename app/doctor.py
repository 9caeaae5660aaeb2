"""`avatar-broker doctor`: tries what a session needs, step by step, and names what fails."""

import time
from collections.abc import Awaitable
from typing import TypeVar

import httpx
from pydantic import SecretStr

from app.environment import SettingsError
from app.kaltura.client import KalturaClient, SessionAccess
from app.kaltura.contract import SayTextRequest
from app.kaltura.errors import KalturaError
from app.kaltura.media import is_safe_media_url
from app.server import listen, url
from app.sessions.assembly import kaltura_client
from app.sessions.speech import new_turn_id
from app.sessions.upstream import problem_for
from app.sessions.wishes import Wish, create_request
from app.settings import Settings

Result = TypeVar("Result")


class _FailedError(Exception):
    """A step failed, so the steps after it mean nothing; it has been told already."""


async def examine(settings: Settings, *, host: str, port: int) -> int:
    """Print a line for each step; 0 only if all is well. It opens one session and ends it."""
    _, avatar_id = settings.required_to_serve()
    _tell("settings", f"avatar {avatar_id}, voice {settings.avatar_voice_id or 'none'}")
    client = kaltura_client(settings)
    try:
        await _check_address(host, port)
        await _check_ks(settings, client)
        await _check_session(settings, client)
    except _FailedError:
        return 1
    finally:
        await client.aclose()
    return 0


async def _check_address(host: str, port: int) -> None:
    """The address is free, or a broker answers there already."""
    try:
        listen(host, port).close()
    except SettingsError as error:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=3) as http:
                answer = await http.get(f"{url(host, port)}/healthz")
            running = answer.json() == {"status": "ok"}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            running = False
        if not running:
            raise _failed("address", str(error)) from error
        _tell("address", f"a broker runs at {host}:{port}")
    else:
        _tell("address", f"{host}:{port} is free")


async def _check_ks(settings: Settings, client: KalturaClient) -> None:
    """A KS can be made; whether Kaltura's avatars accept it is seen at create."""
    if settings.avatar_ks is not None:
        _tell("KS", "AVATAR_KS as it is set")
        return
    maker = "KALTURA_APP_TOKEN" if settings.kaltura_app_token else "KALTURA_ADMIN_SECRET"
    await _step("KS", client.obtain_ks(), f"from {maker} at {settings.kaltura_api_url}")


async def _check_session(settings: Settings, client: KalturaClient) -> None:
    created = await _step("create", client.create(create_request(settings, Wish())))
    access = SessionAccess(created.session_id, SecretStr(created.token))
    try:
        media = await _step("init-client", client.init_client(access))
        if not is_safe_media_url(media.whep_url, allow_private=settings.upstream_is_local):
            raise _failed("media address", "not https on a public host; ask Kaltura why")
        await _step("keep-alive", client.keep_alive(access))
        said = SayTextRequest(text="Hello.", turn_id=new_turn_id())
        await _step("say-text", client.say_text(access, said))
        await _step("interrupt", client.interrupt(access))
    finally:
        await _step("end", client.end(access))


async def _step(name: str, call: Awaitable[Result], how: str = "") -> Result:
    """What `call` returns; `how` it is done is told with how it went."""
    told = f"{how}: " if how else ""
    started = time.perf_counter()
    try:
        result = await call
    except KalturaError as error:
        problem = problem_for(error)
        status = "" if error.status is None else f" (status {error.status})"
        raise _failed(name, f"{told}{problem.title}{status}. {problem.remedy}") from error
    _tell(name, f"{told}{(time.perf_counter() - started) * 1000:.0f} ms")
    return result


def _tell(step: str, text: str) -> None:
    print(f"\N{CHECK MARK} {step}: {text}", flush=True)


def _failed(step: str, text: str) -> _FailedError:
    print(f"\N{BALLOT X} {step}: {text}", flush=True)
    return _FailedError(step)
