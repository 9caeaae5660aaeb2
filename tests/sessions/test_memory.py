"""How much memory a session takes."""

import gc
import tracemalloc

from tests.support.doubles import FakeClock, FakeKaltura, InMemoryAuditWriter
from tests.support.session_store import InMemorySessionStore
from tests.support.sessions import Domain

SESSIONS = 40
KILOBYTE = 1024


async def test_a_session_that_has_spoken_takes_less_than_10_kb(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    record = InMemoryAuditWriter()
    house = Domain(kaltura, clock, record=record, max_concurrent_sessions=SESSIONS + 1)
    store = house.store
    assert isinstance(store, InMemorySessionStore)

    async def open_some(first: int, last: int) -> None:
        for number in range(first, last):
            session = await house.open(f"visitor-{number}")
            await house.presence.hand_over(session, hung_up=False)
            await house.say(session, "Hi.")
            record.lines.clear()
            kaltura.calls.clear()
            store.saves.clear()
            store.saved.clear()
        await clock.pass_by(5, step=1)

    await open_some(0, 1)
    gc.collect()
    tracemalloc.start()
    try:
        await open_some(1, SESSIONS + 1)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / SESSIONS < 10 * KILOBYTE
