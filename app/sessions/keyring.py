"""Derives the broker's keys from `SECRET_KEY`, one for each purpose."""

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
"""Name of the key file beside the database, used where `SECRET_KEY` is not set."""


class Keyring:
    """Derives keys for signing, encrypting and hashing from the values of `SECRET_KEY`.

    New signatures and encryptions use the first value; those made with any value are accepted.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = keys

    def signing(self) -> list[bytes]:
        """Keys that sign the broker's session tokens (JWTs)."""
        return [_derived(key, b"session tokens") for key in self._keys]

    def logs(self) -> list[bytes]:
        """Keys for the pseudonyms that stand for ids in the log."""
        return [_derived(key, b"logs") for key in self._keys]

    def words(self) -> bytes:
        """The key of the hashes that stand for texts in the audit record."""
        return _derived(self._keys[0], b"words")

    def rates(self) -> bytes:
        """The key of the digests that stand for callers where rates are counted."""
        return _derived(self._keys[0], b"rates")

    def addresses(self) -> bytes:
        """The key of the digests that stand for network addresses in the database."""
        return _derived(self._keys[0], b"addresses")

    def tickets(self) -> bytes:
        """The key of the ids of the waiting room's tickets."""
        return _derived(self._keys[0], b"tickets")

    def visitors(self) -> bytes:
        """The key of the cookies that are made of an Idempotency-Key."""
        return _derived(self._keys[0], b"visitors")

    def operators(self) -> list[bytes]:
        """Keys that sign the operator's console cookie."""
        return [_derived(key, b"operators") for key in self._keys]

    def forwarding(self) -> list[bytes]:
        """Keys that sign the header of a call that one replica forwards to another."""
        return [_derived(key, b"forwarding") for key in self._keys]

    def at_rest(self) -> MultiFernet:
        """The cipher for secrets that are kept in the database."""
        keys = [urlsafe_b64encode(_derived(key, b"at rest")) for key in self._keys]
        return MultiFernet([Fernet(key) for key in keys])


def keyring_of(settings: Settings) -> Keyring:
    """The keyring of `SECRET_KEY`; without that setting, of a key kept beside the database.

    The key is kept so that the next process can read the secrets of a process that crashed. A
    database in memory does not outlive the process, so its key is not kept.
    """
    if settings.secret_key:
        return Keyring(settings.secret_key)
    path = file_of(settings.database_url)
    if path is None:
        return Keyring([SecretStr(secrets.token_urlsafe(32))])
    return Keyring([SecretStr(_key_in_file(path.with_name(DEVELOPMENT_KEY)))])


def _key_in_file(path: Path) -> str:
    """Read the key in a file; create the file first where there is none.

    Several processes may do this at once: a new file is written under another name and then linked,
    so that the first one wins and none is read half written.
    """
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
    """Derive a key of 32 bytes for one purpose; a derived key reveals no other."""
    return hmac.digest(secret.get_secret_value().encode(), purpose, hashlib.sha256)
