"""Pages of the record: filters, cursors that neither skip nor repeat, and a search for words."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.audit.model import PENDING, Entry, Event
from app.audit.reader import AuditReader, Filter
from app.audit.writer import MAX_LATE_SECONDS, AuditWriter
from app.db.database import open_database
from app.migrations import prepare
from tests.support.doubles import FakeClock


class Kept:
    """A record and its reader."""

    def __init__(self, record: AuditWriter, audit_reader: AuditReader) -> None:
        self.record = record
        self.audit_reader = audit_reader

    def tell(self, *ats: float, **fields: Any) -> None:
        for at in ats:
            self.record.begin(Entry(**{"at": at, "event": Event.SAY_TEXT, **fields}))

    def searching(self, entries: int) -> "Kept":
        """The same record, of which a page of a search looks through so many."""
        reader = AuditReader(self.audit_reader._database, self.record, searched=entries)
        return Kept(self.record, reader)

    async def found(self, **wanted: Any) -> list[float]:
        return [found.entry.at async for found in self.audit_reader.every(Filter(**wanted))]


@pytest.fixture
async def kept(database_url: str) -> AsyncIterator[Kept]:
    async with open_database(database_url, prepare) as database:
        record = AuditWriter(database, required=True, monotonic=FakeClock(), clock=lambda: 0.0)
        async with record.running():
            yield Kept(record, AuditReader(database, record))


async def test_the_newest_comes_first_and_the_cursor_leads_to_the_rest(kept: Kept) -> None:
    kept.tell(*range(5))
    first = await kept.audit_reader.page(Filter(), limit=2)
    second = await kept.audit_reader.page(Filter(), limit=2, before=first.older)
    third = await kept.audit_reader.page(Filter(), limit=2, before=second.older)
    pages = [[found.entry.at for found in page.found] for page in (first, second, third)]
    assert pages == [[4, 3], [2, 1], [0]]
    assert third.older is None


async def test_a_page_that_is_full_to_the_last_entry_has_no_cursor(kept: Kept) -> None:
    kept.tell(0, 1)
    assert (await kept.audit_reader.page(Filter(), limit=2)).older is None


async def test_what_is_added_meanwhile_is_neither_repeated_nor_lets_any_be_skipped(
    kept: Kept,
) -> None:
    kept.tell(*range(10))
    read: list[float] = []
    before = None
    for late in range(100, 105):
        page = await kept.audit_reader.page(Filter(), limit=2, before=before)
        read += [found.entry.at for found in page.found]
        before = page.older
        kept.tell(late, -1.0)  # one of them says that it is older than all
    assert read == list(range(9, -1, -1))


async def test_each_filter_leaves_what_it_says(kept: Kept) -> None:
    kept.tell(1, session_id="a", visitor="ada")
    kept.tell(2, session_id="b", visitor="ada", event=Event.END)
    kept.tell(3, session_id="c", visitor="eve", event=Event.END)
    kept.tell(4, session_id="d", event=Event.KEEP_ALIVE)
    kept.tell(5, session_id="d", event=Event.KEEP_ALIVE, outcome=PENDING)
    kept.tell(6, session_id="d", event=Event.KEEP_ALIVE, outcome="session-ended")
    assert await kept.found(keep_alives=False) == [6, 3, 2, 1]
    assert await kept.found(session_id="d") == [6, 5, 4]
    assert await kept.found(session_id="a") == [1]
    assert await kept.found(visitor="ada") == [2, 1]
    assert await kept.found(event=Event.END) == [3, 2]
    assert await kept.found(visitor="ada", event=Event.END) == [2]
    assert await kept.found(since=2, until=4) == [3, 2]
    assert await kept.found(until=3) == [2, 1]
    assert await kept.found(since=2, until=3) == [2]
    assert await kept.found(since=9) == await kept.found(until=1) == []


async def test_a_time_holds_all_of_it_though_entries_came_late(kept: Kept) -> None:
    chance = random.Random(7)
    ats = [20.0 * n - chance.choice((0, 0, chance.uniform(0, MAX_LATE_SECONDS))) for n in range(99)]
    kept.tell(*ats)
    for _ in range(20):
        since, until = sorted(chance.uniform(0, 2000) for _ in range(2))
        whole = [at for at in reversed(ats) if since <= at < until]
        assert await kept.found(since=since, until=until) == whole


async def test_what_is_added_during_a_search_is_neither_repeated_nor_lets_any_be_skipped(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept.searching(3)
    kept.tell(*range(9), text="needle")
    read: list[float] = []
    before, one = None, AuditReader._one

    async def disturbed(self: AuditReader, query: Any) -> int | None:
        found = await one(self, query)
        kept.tell(100, text="needle")
        await kept.record.flush()
        return found

    monkeypatch.setattr(AuditReader, "_one", disturbed)
    while not read or before is not None:
        page = await kept.audit_reader.page(Filter(text="needle"), limit=2, before=before)
        read += [found.entry.at for found in page.found]
        before = page.older
    assert [at for at in read if at < 100] == list(range(8, -1, -1))


async def test_words_are_found_whatever_is_in_them(kept: Kept) -> None:
    kept.tell(1, text="100% of it")
    kept.tell(2, text="Hello, world")
    kept.tell(3, text="1000 of it")
    kept.tell(4, text="_hello\\")
    kept.tell(5)
    assert await kept.found(text="hello") == [4, 2]
    assert await kept.found(text="0%") == [1]
    assert await kept.found(text="_h") == await kept.found(text="o\\") == [4]
    assert await kept.found(text="nothing") == []
    assert await kept.found(text="of", until=3) == [1]


CAFE = ("caf\u00e9", "cafe\u0301", "CAF\u00c9", "CAFE\u0301", "Caf\u00e9")
SPELLINGS = [
    CAFE,
    ("\u00fcBER.all", "u\u0308ber.ALL", "\u00dcber.All"),
    ("stra\u00dfe", "STRASSE", "Strasse", "STRA\u1e9eE"),
    (
        "\u03bf\u03b4\u03cc\u03c2",
        "\u039f\u0394\u039f\u0301\u03a3",
        "\u03bf\u03b4\u03bf\u0301\u03c3",
    ),
    ("\ud55c\uad6d", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
    ("\u05e9\u05bc\u05c1\u05dc\u05d5\u05dd", "\u05e9\u05c1\u05bc\u05dc\u05d5\u05dd"),
    ("\u041f\u0440\u0438\u0432\u0435\u0442", "\u043f\u0420\u0418\u0412\u0415\u0422"),
    (
        "Ti\u1ebfng Vi\u1ec7t",
        "ti\u00ea\u0301ng vi\u00ea\u0323t",
        "tie\u0302\u0301ng vie\u0323\u0302t",
        "TI\u1ebeNG VI\u1ec6T",
    ),
    ("1.\u00e9|(x)[y]\\_%", "1.e\u0301|(X)[Y]\\_%"),
]


@pytest.mark.parametrize("alike", SPELLINGS, ids=[spellings[0] for spellings in SPELLINGS])
async def test_words_are_found_in_every_case_and_normal_form(
    kept: Kept, alike: tuple[str, ...]
) -> None:
    for at, text in enumerate(alike):
        kept.tell(at, text=f"He says: {text}!")
    kept.tell(99, text="He says: 1xexxxXxYxx caf strae")
    for sought in alike:
        assert await kept.found(text=sought) == list(range(len(alike)))[::-1], sought
        assert await kept.found(text=f"SAYS: {sought}!") == list(range(len(alike)))[::-1], sought


async def test_what_has_no_normal_form_is_found_as_it_stands(kept: Kept) -> None:
    kept.tell(1, text="\ufb2a\u05dc\u05d5\u05dd, \u212b")
    assert await kept.found(text="\ufb2a\u05dc") == await kept.found(text="\u212b") == [1]


async def test_an_accent_is_a_letter_of_its_own(kept: Kept) -> None:
    kept.tell(1, text="caf\u00e9")
    kept.tell(2, text="caf\u00e8")
    assert await kept.found(text="cafe\u0301") == [1]


async def test_a_search_looks_through_so_many_at_a_time_and_goes_on(kept: Kept) -> None:
    kept = kept.searching(3)
    kept.tell(0, 1, text="needle")
    kept.tell(*range(2, 9), text="hay")
    first = await kept.audit_reader.page(Filter(text="needle"), limit=5)
    assert (first.found, first.older is not None) == ([], True)
    assert await kept.found(text="needle") == [1, 0]


async def test_what_is_newer_comes_in_its_order(kept: Kept) -> None:
    kept.tell(0, 1, 2, text="hay")
    [newest, *_] = (await kept.audit_reader.page(Filter(), limit=1)).found
    kept.tell(3, 4, text="hay")
    kept.tell(5, text="needle", event=Event.END)
    newer = await kept.audit_reader.newer(Filter(), than=newest.row_id, limit=10)
    assert [found.entry.at for found in newer] == [3, 4, 5]
    [needle] = await kept.audit_reader.newer(Filter(text="needle"), than=0, limit=10)
    assert needle.entry.at == 5


async def test_the_latest_of_each_session_is_found_at_once(kept: Kept) -> None:
    for n in range(250):
        kept.tell(n, n + 0.5, session_id=f"session-{n}", text=f"words of {n}")
    kept.tell(1000, session_id="session-3", event=Event.KEEP_ALIVE)
    names = [f"session-{n}" for n in range(250)]
    latest = await kept.audit_reader.latest([*names, "nobody's"], Event.SAY_TEXT)
    assert {name: entry.at for name, entry in latest.items()} == {
        name: n + 0.5 for n, name in enumerate(names)
    }
