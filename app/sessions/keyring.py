"""The broker's own keys, each derived from `SECRET_KEY` for one purpose."""

import contextlib
import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr

from app.config.settings import Settings
from app.db.database import file_of

DEVELOPMENT_KEY: Final = "development.key"


class Keyring:
    """What signs, what encrypts and what hides; the first key serves, all are accepted."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = keys

    def signing(self) -> list[bytes]:
        """Keys for the broker's JWTs."""
        return [_derived(key, b"session tokens") for key in self._keys]

    def logs(self) -> list[bytes]:
        """Keys for the aliases that the log has for ids."""
        return [_derived(key, b"logs") for key in self._keys]

    def words(self) -> bytes:
        """The key of the hashes that the record has in place of words."""
        return _derived(self._keys[0], b"words")

    def operators(self) -> list[bytes]:
        """Keys for what an operator's browser keeps."""
        return [_derived(key, b"operators") for key in self._keys]

    def at_rest(self) -> MultiFernet:
        """Encrypts what is kept in the database."""
        keys = [urlsafe_b64encode(_derived(key, b"at rest")) for key in self._keys]
        return MultiFernet([Fernet(key) for key in keys])


def keyring_of(settings: Settings) -> Keyring:
    """The keys of `SECRET_KEY`; in development without one, a key kept beside the database.

    So that what a crashed process left can be read by the next. With the database in memory
    nothing outlives the process, nor need its key.
    """
    if settings.secret_key:
        return Keyring(settings.secret_key)
    path = file_of(settings.database_url)
    if path is None:
        return Keyring([SecretStr(secrets.token_urlsafe(32))])
    return Keyring([SecretStr(_kept_key(path.with_name(DEVELOPMENT_KEY)))])


def _kept_key(path: Path) -> str:
    """The key in a file, made by whoever comes first: a file appears under its name whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return path.read_text(encoding="ascii")


def _derived(secret: SecretStr, purpose: bytes) -> bytes:
    """32 bytes for one purpose: nothing made with it helps with another."""
    return hmac.digest(secret.get_secret_value().encode(), purpose, hashlib.sha256)
