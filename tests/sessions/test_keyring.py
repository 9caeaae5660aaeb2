"""The broker's own keys."""

import stat
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from app.sessions.keyring import DEVELOPMENT_KEY, Keyring, keyring_of
from tests.support.doubles import settings

OLD, NEW = SecretStr("o" * 32), SecretStr("n" * 32)


def url_in(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/broker.db"


def test_the_first_key_serves_and_all_are_accepted() -> None:
    sealed = Keyring([OLD]).at_rest().encrypt(b"secret")
    assert Keyring([NEW, OLD]).at_rest().decrypt(sealed) == b"secret"
    with pytest.raises(InvalidToken):
        Keyring([OLD]).at_rest().decrypt(Keyring([NEW, OLD]).at_rest().encrypt(b"secret"))


def test_each_purpose_has_a_key_of_its_own_and_none_is_the_secret_itself() -> None:
    ring = Keyring([OLD])
    assert ring.signing()[0] != OLD.get_secret_value().encode()
    assert len(ring.signing()[0]) == 32
    with pytest.raises(InvalidToken):
        Fernet(urlsafe_b64encode(ring.signing()[0])).decrypt(ring.at_rest().encrypt(b"secret"))


def test_without_a_key_one_is_kept_beside_the_database(tmp_path: Path) -> None:
    without = settings(secret_key="", database_url=url_in(tmp_path / "data"))
    assert keyring_of(without).signing() == keyring_of(without).signing()
    kept = tmp_path / "data" / DEVELOPMENT_KEY
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(kept.read_text()) >= 32
    assert [path.name for path in kept.parent.iterdir()] == [DEVELOPMENT_KEY]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    without = settings(secret_key="", database_url=url_in(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: keyring_of(without).signing()[0], range(32)))
    assert len(set(rings)) == 1


def test_with_the_database_in_memory_each_process_has_a_random_key() -> None:
    without = settings(secret_key="")
    assert keyring_of(without).signing() != keyring_of(without).signing()


def test_a_configured_key_is_used_and_none_is_made(tmp_path: Path) -> None:
    keyring_of(settings(database_url=url_in(tmp_path / "data")))
    assert not (tmp_path / "data").exists()
