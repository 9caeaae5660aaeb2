"""What is not in the file at its path is not done, and what is put back there is used again."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select

from app.db.database import Database, open_database
from app.db.database_file import FileLostError
from app.problems import RecordUnavailable

NUMBERS = Table("numbers", MetaData(), Column("number", Integer))
Harm = Callable[[Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "broker.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{path}"
    async with open_database(url, NUMBERS.metadata.create_all) as database:
        await write(database, 1)
        yield database


async def write(database: Database, number: int) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(NUMBERS).values(number=number))

    await database.write(work)


async def numbers(database: Database) -> list[int]:
    return [row.number for row in await database.read(select(NUMBERS.c.number))]


def on_disk(path: Path, tmp_path: Path) -> list[int]:
    """What a next process would find if this one were killed now."""
    copy = tmp_path / "copy"
    shutil.copytree(path.parent, copy)
    connection = sqlite3.connect(copy / path.name)
    found = [number for (number,) in connection.execute("SELECT number FROM numbers")]
    connection.close()
    shutil.rmtree(copy)
    return found


def wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def shm(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")


def _delete_all(path: Path) -> None:
    for each in (path, wal(path), shm(path)):
        each.unlink()


def _replace_by_nothing(path: Path) -> None:
    _delete_all(path)
    path.touch()


def _cut_off(path: Path) -> None:
    os.truncate(wal(path), 0)
    os.truncate(path, 0)


def _size(path: Path) -> int:
    return path.stat().st_size


LOST: dict[str, Harm] = {
    "deleted": Path.unlink,
    "deleted with its log": _delete_all,
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "its folder moved": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
    "replaced by an empty one": _replace_by_nothing,
    "cut off": _cut_off,
}


@pytest.mark.parametrize("harm", LOST)
async def test_in_a_file_that_is_lost_nothing_is_written(
    database: Database, path: Path, harm: str
) -> None:
    LOST[harm](path)
    for number in (2, 3):
        with pytest.raises(RecordUnavailable):
            await write(database, number)
        with pytest.raises(RecordUnavailable):
            await numbers(database)
        assert not database.is_available


async def test_a_file_that_is_lost_during_a_commit_is_noticed_before_it_is_told_done(
    database: Database, path: Path
) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(NUMBERS).values(number=2))
        _delete_all(path)

    with pytest.raises(RecordUnavailable):
        await database.write(work)


async def test_a_file_that_is_put_back_is_written_again(database: Database, path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    shutil.move(path, elsewhere)
    with pytest.raises(RecordUnavailable):
        await write(database, 2)
    shutil.move(elsewhere, path)
    await write(database, 3)
    assert await numbers(database) == [1, 3]
    assert database.is_available


@pytest.mark.parametrize("remove", [_delete_all, Path.unlink], ids=["with its log", "alone"])
async def test_another_database_in_its_place_is_used_from_then_on(
    database: Database, path: Path, tmp_path: Path, remove: Harm
) -> None:
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    await write(database, 2)
    remove(path)
    with pytest.raises(RecordUnavailable):
        await write(database, 3)
    shutil.copy(backup, path)
    await write(database, 4)
    assert on_disk(path, tmp_path) == await numbers(database) == [1, 4]
    assert database.file
    assert database.file.times_reopened == 1


async def test_what_is_under_way_when_another_database_comes_is_not_told_done(
    database: Database, path: Path, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    with sqlite3.connect(path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    file, others = database.file, list[asyncio.Task[list[int]]]()
    assert file

    async def under_way() -> None:
        async with file.verified():
            backup.replace(path)
            others.append(asyncio.create_task(numbers(database)))
            await asyncio.wait(others, timeout=0.1)
            assert not others[0].done(), "the other waits for the end of what was before it"

    with pytest.raises(FileLostError):
        await under_way()
    assert await others[0] == [1]


@pytest.mark.parametrize("lost", [wal, shm])
async def test_a_lost_log_costs_nothing_that_was_written(
    database: Database, path: Path, tmp_path: Path, lost: Callable[[Path], Path]
) -> None:
    lost(path).unlink()
    await write(database, 2)
    assert on_disk(path, tmp_path) == [1, 2]
    await write(database, 3)
    assert on_disk(path, tmp_path) == [1, 2, 3]


async def test_a_database_that_someone_made_smaller_is_still_one(
    database: Database, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")  # else each row waits for the disk
    other.executemany("INSERT INTO numbers VALUES (?)", [(1,)] * 10_000)
    other.execute("COMMIT")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    await write(database, 2)
    size = _size(path)
    other.execute("DELETE FROM numbers WHERE number = 1")
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert _size(path) < size
    await write(database, 3)
    assert await numbers(database) == [2, 3]
