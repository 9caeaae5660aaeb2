"""The check that every process on one Postgres has the same `SECRET_KEY`.

A process with another key could open none of the others' sessions, and so could not end them.
"""

from typing import Final

from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy import Column, Connection, Integer, LargeBinary, Table, select, update

from app.config.sources import SettingsError
from app.db.database import METADATA, Database

SECRET_KEY_CANARY: Final = Table(
    "secret_key_canary",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Words that are no secret, encrypted as the secrets in the database are.
    Column("sealed", LargeBinary, nullable=False),
)

_ROW: Final = 1
"""The id of the only row."""

_WORDS: Final = b"the SECRET_KEY of this database"


async def require_shared_secret_key(database: Database, cipher: MultiFernet) -> None:
    """Raise `SettingsError` unless `cipher` decrypts the canary of the process before.

    The canary is then encrypted with the newest key, so that an old one can be removed later.
    """

    def work(connection: Connection) -> bool:
        first = database.insert(SECRET_KEY_CANARY).values(id=_ROW, sealed=cipher.encrypt(_WORDS))
        connection.execute(first.on_conflict_do_nothing())
        sealed = select(SECRET_KEY_CANARY.c.sealed).with_for_update()
        try:
            newest = cipher.rotate(connection.execute(sealed).scalar_one())
        except InvalidToken:
            return False
        connection.execute(update(SECRET_KEY_CANARY).values(sealed=newest))
        return True

    if not await database.write(work):
        raise SettingsError(
            "SECRET_KEY is not the one that this database was last used with: give every process "
            "the same keys, and keep the old one behind a new one; where it is lost, delete the "
            "row of the table secret_key_canary"
        )
