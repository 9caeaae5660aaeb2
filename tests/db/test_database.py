"""The database file, and which processes use it."""

import asyncio
import shutil
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.config.sources import SettingsError
from app.db.database import IN_MEMORY, Database, file_of, open_database, require_writable
from app.problems import RecordUnavailable


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def test_a_database_in_memory_has_no_file() -> None:
    assert file_of(IN_MEMORY) is None
    assert file_of("sqlite+aiosqlite:///data/broker.db") == Path("data/broker.db")


def test_the_folder_is_made_and_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "broker.db"
    require_writable(url_of(path))
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_place_that_cannot_be_written_is_one_line_that_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"DATABASE_URL.*name another file"):
        require_writable(url_of(tmp_path / "file" / "broker.db"))


def test_a_file_that_is_no_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    path.write_text("not a database at all" * 100)
    with pytest.raises(SettingsError, match="no SQLite database"):
        require_writable(url_of(path))
    assert path.read_text().startswith("not a database")


async def test_a_file_that_can_not_be_prepared_is_one_line_too(tmp_path: Path) -> None:
    def broken(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(SettingsError, match=r"^DATABASE_URL: .*broker\.db can't be used .*$"):
        async with open_database(url_of(tmp_path / "broker.db"), broken):
            pass


async def test_what_is_committed_stays_and_readers_do_not_wait_for_writers(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    async with (
        open_database(url_of(path), MetaData().create_all) as database,
        database.engine.connect() as connection,
    ):
        synchronous = (await connection.execute(text("PRAGMA synchronous"))).scalar()
        repository = (await connection.execute(text("PRAGMA journal_mode"))).scalar()
    assert (synchronous, repository) == (2, "wal")


async def test_a_process_is_held_alive_as_long_as_it_has_its_lock(tmp_path: Path) -> None:
    url = url_of(tmp_path / "broker.db")
    async with (
        open_database(url, MetaData().create_all) as mine,
        open_database(url, MetaData().create_all) as other,
    ):
        assert await mine.is_process_running(mine.process_name)
        assert await mine.is_process_running(other.process_name)
        other.release_process_lock()
        assert not await mine.is_process_running(other.process_name)
        assert not await mine.is_process_running("never-was")


async def test_a_lock_whose_file_was_deleted_is_taken_anew(tmp_path: Path) -> None:
    url = url_of(tmp_path / "broker.db")
    async with (
        open_database(url, MetaData().create_all) as mine,
        open_database(url, MetaData().create_all) as other,
    ):
        shutil.rmtree(tmp_path / "broker.db.holders")
        await mine.acquire_process_lock()
        assert await other.is_process_running(mine.process_name)


async def test_a_dead_process_leaves_no_file_behind(tmp_path: Path) -> None:
    url = url_of(tmp_path / "broker.db")
    async with open_database(url, MetaData().create_all) as database:
        holders = tmp_path / "broker.db.holders"
        (holders / "dead").touch()
        assert not await database.is_process_running("dead")
        names = {path.name for path in holders.iterdir()}
        assert database.process_name in names
        assert "dead" not in names
    assert database.process_name not in {path.name for path in holders.iterdir()}


async def test_in_memory_nobody_else_is_alive() -> None:
    async with open_database(IN_MEMORY, MetaData().create_all) as database:
        assert await database.is_process_running(database.process_name)
        assert not await database.is_process_running("other")
        database.release_process_lock()
        assert isinstance(database, Database)


def test_the_check_leaves_a_database_in_use_alone(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    require_writable(url_of(path))
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


def _opened(url: str) -> None:
    async def open_and_close() -> None:
        metadata = MetaData()
        Table("t", metadata, Column("x", Integer))
        async with open_database(url, metadata.create_all):
            pass

    asyncio.run(open_and_close())


def test_processes_that_start_at_once_agree_on_one_database(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for n in range(8):
            list(pool.map(_opened, [url_of(tmp_path / f"{n}.db")] * 4))


async def test_writes_that_waited_for_one_that_failed_are_not_tried(tmp_path: Path) -> None:
    tried: list[Connection] = []

    def fail(_: Connection) -> None:
        raise SQLAlchemyError

    async with open_database(url_of(tmp_path / "broker.db"), lambda _: None) as database:
        writes = (database.write(fail), database.write(tried.append))
        failed = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(each) for each in failed] == [RecordUnavailable] * 2
        assert tried == []
        await database.write(tried.append)
    assert len(tried) == 1


async def test_in_memory_a_reader_does_not_undo_what_is_being_written() -> None:
    metadata = MetaData()
    table = Table("t", metadata, Column("x", Integer))
    async with open_database(IN_MEMORY, metadata.create_all) as database:

        async def write(x: int) -> None:
            async with database.engine.begin() as connection:
                await connection.execute(insert(table).values(x=x))

        async def read() -> int | None:
            async with database.engine.connect() as connection:
                return await connection.scalar(select(func.count()).select_from(table))

        await asyncio.gather(*(call for x in range(20) for call in (write(x), read())))
        assert await read() == 20
