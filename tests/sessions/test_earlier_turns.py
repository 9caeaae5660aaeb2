"""What a process that was killed, or has stopped, was asked to say: told by the next, said once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from app.audit.model import Entry, Event
from app.audit.writer import AuditWriter
from app.db.database import Database, open_database
from app.kaltura.contract import TurnId
from app.migrations import prepare
from app.problems import OutcomeUnknown
from app.sessions.access import SessionGrant
from app.sessions.clock import SessionClock
from app.sessions.keyring import Keyring
from app.sessions.speech.utterances import Receipt
from app.sessions.store import recorded_speaks
from app.sessions.store.assembly import session_store
from app.sessions.store.model import AvatarSession
from tests.support.doubles import FakeClock, FakeKaltura, Gate, settled
from tests.support.leases import die, lease_on
from tests.support.sessions import Domain, grant
from tests.support.speech import LONG, said

KEYS = Keyring([SecretStr("a-signing-key-for-tests-of-32-characters")])


class Process(Domain):
    """A broker on the database, whose record is there too."""

    database: Database
    record: AuditWriter

    async def kill(self) -> None:
        """Leave everything as it is, as SIGKILL would."""
        await self.speech.settle()
        await die(self.database)

    async def taken_over(self) -> SessionGrant:
        """The only session, which another process had."""
        await self.registry.take_over()
        [runtime] = self.registry.runtimes()
        return grant(runtime)


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(database_url: str, kaltura: FakeKaltura, clock: FakeClock) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Process:
            database = await stack.enter_async_context(open_database(database_url, prepare))
            lease = await stack.enter_async_context(lease_on(database, database_url))
            times = SessionClock(clock, clock, lambda: 0.0)
            store = session_store(
                database, KEYS.at_rest(), base_url="https://kaltura.test", clock=times, lease=lease
            )
            record = AuditWriter(database, required=True, monotonic=lambda: 0.0, clock=clock)
            await stack.enter_async_context(record.running())
            changes |= {"database_url": database_url, "session_clock": times, "lease": lease}
            process = Process(kaltura, clock, store, record=record, **changes)
            process.database, process.record = database, record
            stack.push_async_callback(process.registry.aclose)
            await process.registry.take_over()
            return process

        yield start


def fates(process: Process, mine: SessionGrant) -> list[tuple[str, str, str | None]]:
    receipts = process.speech.utterances(mine)
    return [(receipt.text, receipt.state.value, receipt.reason) for receipt in receipts]


async def killed_while_it_speaks(process: Process, kaltura: FakeKaltura) -> None:
    """A process is killed that has said a text, has sent the next, and has one more in line."""
    session = await process.open()
    await process.say(session, "Said.")
    kaltura.will("say-text", gate := Gate())
    sending = asyncio.create_task(process.say(session, "On its way."))
    await gate.reached.wait()
    await process.record.flush()
    await process.say(session, "In line.")
    sending.cancel()
    await process.kill()


@pytest.mark.parametrize("kept", ["full", "none"])
async def test_texts_of_a_process_that_was_killed_are_told_by_the_next(
    start: Start, kaltura: FakeKaltura, kept: str
) -> None:
    one, two = [await start(audit_text=kept) for _ in range(2)]
    await killed_while_it_speaks(one, kaltura)
    told = fates(two, await two.taken_over())
    assert [text for text, *_ in told] == (
        ["Said.", "On its way.", "In line."] if kept == "full" else ["", "", ""]
    )
    assert [fate for _, *fate in told] == [["done", None], *[["failed", "replica-lost"]] * 2]
    assert said(kaltura) == ["Said.", "On its way."]


async def test_they_are_told_to_those_who_follow_and_after_another_kill(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two, three = [await start() for _ in range(3)]
    await killed_while_it_speaks(one, kaltura)
    mine = await two.taken_over()
    before = fates(two, mine)
    told = [event.receipt.text for event in two.speech.feed(mine).since("another-3")]
    assert told == ["Said.", "On its way.", "In line."]
    await two.say(mine.runtime, "By the next.")
    await two.kill()
    assert fates(three, await three.taken_over()) == [*before, ("By the next.", "done", None)]


async def test_the_latest_of_many_are_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_speaks, "MOST_OF_ONE_SESSION", 2)
    one, two = await start(), await start()
    session = await one.open()
    for number in range(3):
        await one.say(session, f"Number {number}.")
    await one.kill()
    told = fates(two, await two.taken_over())
    assert [text for text, *_ in told] == ["Number 1.", "Number 2."]


SayAgain = Callable[[Process, SessionGrant, str], Coroutine[Any, Any, Receipt]]


async def by_turn(process: Process, mine: SessionGrant, text: str) -> Receipt:
    turn_id: TurnId = f"turn-{text.split(maxsplit=1)[0]}"
    return await process.speech.say_text(mine, text, turn_id, is_final=True)


async def by_key(process: Process, mine: SessionGrant, text: str) -> Receipt:
    return await process.speech.say_text(
        mine, text, None, is_final=True, idempotency_key=f"key-{text}"
    )


async def by_key_while_it_is_written(process: Process, mine: SessionGrant, text: str) -> Receipt:
    async def written() -> AsyncIterator[str]:
        for word in text.split():
            yield f"{word} "

    return await process.speech.say_written(mine, written(), None, f"key-{text}")


@pytest.mark.parametrize("say", [by_turn, by_key, by_key_while_it_is_written])
async def test_a_text_that_is_sent_again_to_the_next_process_is_not_said_again(
    start: Start, kaltura: FakeKaltura, say: SayAgain
) -> None:
    one, two = await start(), await start()
    mine = grant(await one.open())
    first = await say(one, mine, "Once only.")
    await settled()
    kaltura.will("say-text", gate := Gate())
    sending = asyncio.create_task(say(one, mine, "Perhaps said."))
    await gate.reached.wait()
    await one.record.flush()
    sending.cancel()
    await one.kill()
    mine = await two.taken_over()
    again = await say(two, mine, "Once only.")
    assert (again.turn_id, again.state) == (first.turn_id, "done")
    with pytest.raises(OutcomeUnknown):
        await say(two, mine, "Perhaps said.")
    await say(two, mine, "Another.")
    await settled()
    assert "".join(said(kaltura)).replace(" ", "") == "Onceonly.Perhapssaid.Another."
    assert two.speech.is_repeated(mine, "key-Once only.") == (say is not by_turn)
    assert not two.speech.is_repeated(mine, "key-Never asked.")


async def test_a_turn_that_gets_another_text_at_the_next_process_is_said(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    await by_turn(one, grant(session), "Answer one.")
    await one.kill()
    mine = await two.taken_over()
    await by_turn(two, mine, "Answer two.")
    assert said(kaltura) == ["Answer one.", "Answer two."]
    [receipt] = two.speech.utterances(mine)
    assert receipt.text == "Answer two."


async def test_outcomes_are_on_disk_before_the_next_process_reads_them(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await start()
    session = await one.open()
    waiting: list[int] = []

    async def give_up(_: AvatarSession) -> None:
        waiting.append(one.record.waiting)

    monkeypatch.setattr(one.store, "give_up", give_up)
    line = one.record.begin(Entry(at=0.0, event=Event.SAY_TEXT))
    await one.record.durable(line)
    one.record.note(line, outcome="ok")
    await one.registry.give_up(session, b"[]")
    assert waiting == [0]


async def test_what_only_waited_when_its_session_was_handed_over_may_be_said_by_the_next(
    start: Start, kaltura: FakeKaltura
) -> None:
    one, two = await start(), await start()
    session = await one.open()
    mine = grant(session)
    await by_turn(one, mine, LONG)
    await by_turn(one, mine, "Waits.")
    assert session.speech is not None
    session.speech.lose()
    await one.registry.give_up(session, session.speech.receipts_as_json())
    await one.kill()
    mine = await two.taken_over()
    assert [state for _, state, _ in fates(two, mine)] == ["done", "failed"]
    await by_turn(two, mine, LONG)
    await by_turn(two, mine, "Waits.")
    assert said(kaltura) == [LONG.strip(), "Waits."]
