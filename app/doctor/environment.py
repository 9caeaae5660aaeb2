"""Checks of the broker's environment: its address, its database, and the SDK of its page."""

import asyncio
import contextlib
import hashlib
import re
import shutil
import sqlite3
from base64 import b64encode
from typing import Final

import httpx
from sqlalchemy import Connection, inspect, text

from app.config.settings import BUILTIN_PLAYER, Settings
from app.config.sources import SettingsError
from app.db.database import file_of, is_in_memory, is_postgres, open_database, require_writable
from app.doctor.checks import CheckFailed, Verdict
from app.migrations import HEAD
from app.server.process import listen, url

LOCK_SECONDS: Final = 2
"""How long the database may be locked; a running broker's writes take milliseconds."""

FULL_BYTES: Final = 20 * 1024 * 1024
NEARLY_FULL_BYTES: Final = 500 * 1024 * 1024
MAX_SDK_BYTES: Final = 16 * 1024 * 1024
_JAVASCRIPT: Final = frozenset(
    {"text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript"}
)
_STRONGEST_FIRST: Final = ("sha512", "sha384", "sha256")


async def check_address(host: str, port: int) -> str:
    """Check that the address is free, or that a broker already answers there."""
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
            raise CheckFailed(str(error)) from error
        return f"a broker runs at {host}:{port}"
    return f"{host}:{port} is free"


async def check_database(settings: Settings, lock_seconds: float = LOCK_SECONDS) -> str:
    """Check that the database can be written, is of no newer version, and has room on disk."""
    if is_in_memory(settings.database_url):
        return "in memory"
    if not is_postgres(settings.database_url):
        return await asyncio.to_thread(_check_file, settings, lock_seconds)

    def require_known(connection: Connection) -> None:
        if inspect(connection).has_table("alembic_version"):
            known = connection.execute(text("SELECT version_num FROM alembic_version"))
            _require_known(known.scalar())

    try:
        async with open_database(settings.database_url, require_known):
            return "Postgres answers"
    except SettingsError as error:
        raise CheckFailed(str(error)) from error


def _check_file(settings: Settings, lock_seconds: float) -> str:
    path = file_of(settings.database_url)
    assert path is not None  # noqa: S101 - the database is a file
    try:
        require_writable(settings.database_url)
    except SettingsError as error:
        if "database_url" in settings.model_fields_set:
            raise CheckFailed(str(error)) from error
        raise CheckFailed(
            str(error), "Until then it is in memory.", verdict=Verdict.WARNING
        ) from error
    try:
        with contextlib.closing(
            sqlite3.connect(path, timeout=lock_seconds, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            revision = _revision(connection)
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        locked = "locked" in str(error)
        raise CheckFailed(
            f"DATABASE_URL: {path} "
            + ("is locked by another process" if locked else f"can't be written ({error})"),
            f"`fuser {path}` names who holds it." if locked else "Look at its disk and its owner.",
        ) from error
    _require_known(revision)
    return f"{path}, {_free_space(shutil.disk_usage(path.parent).free)} free"


def _revision(connection: sqlite3.Connection) -> str | None:
    """The revision of the database's tables; None for a database without one."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if "alembic_version" not in tables:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])


def _require_known(revision: str | None) -> None:
    """Raise `CheckFailed` for a newer version's revision; older ones are upgraded at the start."""
    if revision is not None and revision > HEAD:
        raise CheckFailed(
            f"DATABASE_URL: a newer version wrote there (revision {revision})",
            "Start that version, or name another database.",
        )


def _free_space(free: int) -> str:
    amount = f"{free / 1024**3:.1f} GB"
    if free < NEARLY_FULL_BYTES:
        full = free < FULL_BYTES
        raise CheckFailed(
            f"the disk of DATABASE_URL has {free // 1024**2} MB left",
            "Make room: what can't be recorded is refused.",
            verdict=Verdict.WRONG if full else Verdict.WARNING,
        )
    return amount


async def check_sdk(settings: Settings, origin: str, seconds: float) -> str:
    """Check that the page's SDK can be fetched, is JavaScript, allows CORS and has the set hash."""
    address = settings.sdk_url
    if address == BUILTIN_PLAYER:
        return "the bundled player"
    answer, body = await _fetched(address, origin, seconds)
    if answer.status_code != httpx.codes.OK:
        raise CheckFailed(
            f"AVATAR_SDK_URL answers {answer.status_code}", "Name the address of an ES module."
        )
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in _JAVASCRIPT:
        shown = media_type if re.fullmatch(r"[a-z0-9.+/-]{1,60}", media_type) else "no known type"
        raise CheckFailed(
            f"AVATAR_SDK_URL is not JavaScript ({shown})",
            "A browser runs no such module; name the address of the file itself.",
        )
    if answer.headers.get("Access-Control-Allow-Origin") not in {"*", origin}:
        raise CheckFailed(
            "AVATAR_SDK_URL may not be loaded by another origin's page",
            "Its server must send Access-Control-Allow-Origin, or serve it from your own origin.",
        )
    return f"{len(body) // 1024} kB, {_integrity(settings.avatar_sdk_integrity, body)}"


async def _fetched(address: str, origin: str, seconds: float) -> tuple[httpx.Response, bytes]:
    body = bytearray()
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=seconds, follow_redirects=True) as http,
            http.stream("GET", address, headers={"Origin": origin}) as answer,
        ):
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_SDK_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CheckFailed(
            f"AVATAR_SDK_URL can't be fetched ({type(error).__name__})",
            "Visitors' browsers load it from there. If only this machine can't, never mind; else "
            "serve it yourself, or set AVATAR_SDK_URL=builtin.",
        ) from error
    return answer, bytes(body)


def _integrity(wanted: str | None, body: bytes) -> str:
    """Compare `body` with the set hashes as browsers do: only those of the strongest kind count."""
    hashes = (wanted or "").split()
    if not hashes:
        return f"to pin it: AVATAR_SDK_INTEGRITY={_hash('sha384', body)}"
    kind = next(k for k in _STRONGEST_FIRST if any(h.startswith(k) for h in hashes))
    if _hash(kind, body) not in hashes:
        raise CheckFailed(
            "AVATAR_SDK_INTEGRITY is not the hash of what AVATAR_SDK_URL answers",
            f"No browser will run it. If you trust it, set {_hash(kind, body)}.",
        )
    return "its hash is the one that was set"


def _hash(kind: str, body: bytes) -> str:
    return f"{kind}-{b64encode(hashlib.new(kind, body).digest()).decode()}"
