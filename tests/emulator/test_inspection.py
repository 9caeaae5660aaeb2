"""What `/emulator/sessions` tells of sessions and of the calls they got."""

from app.emulator.settings import EmulatorSettings
from tests.support.emulator import House, OpenHouse


async def test_every_call_of_a_session_is_shown_in_order(house: House) -> None:
    caller = await house.open()
    await caller.call("init-client")
    await caller.say("good morning", "turn-7")
    await caller.call("say-text", {"text": ""})
    await caller.call("end")
    await caller.call("keep-alive")

    calls = (await caller.view())["calls"]

    assert [(call["operation"], call["status"]) for call in calls] == [
        ("create", 200),
        ("init-client", 200),
        ("say-text", 200),
        ("say-text", 400),
        ("end", 200),
        ("keep-alive", 410),
    ]
    assert (calls[2]["turnId"], calls[2]["text"]) == ("turn-7", "good morning")


async def test_a_call_that_belongs_to_no_session_is_shown_apart(house: House) -> None:
    caller = await house.open()
    caller.session_id = "0123"
    await caller.call("end")
    await house.create(ks="invalid-ks")

    shown = (await house.client.get("/emulator/sessions")).json()

    calls = [(call["operation"], call["status"]) for call in shown["calls"]]
    assert calls == [("end", 404), ("create", 401)]


async def test_sessions_are_counted(house: House) -> None:
    first, _ = await house.open(), await house.open()
    await first.call("end")
    await house.open()

    shown = (await house.client.get("/emulator/sessions")).json()

    assert (shown["opened"], shown["open"], shown["highestOpen"]) == (3, 2, 2)


async def test_times_are_those_of_the_clock(house: House) -> None:
    caller = await house.open()
    begun = house.clock.now
    house.clock.now += 90
    await caller.call("end")

    shown = await caller.view()

    assert (shown["createdAt"], shown["endedAt"]) == (begun, begun + 90)
    assert [call["at"] for call in shown["calls"]] == [begun, begun + 90]


async def test_only_the_latest_calls_are_kept(open_house: OpenHouse) -> None:
    async with open_house(max_calls=2) as house:
        caller = await house.open()
        for operation in ("keep-alive", "interrupt", "init-client"):
            await caller.call(operation)
        for _ in range(3):
            await house.create(ks="invalid-ks")
        shown = (await house.client.get("/emulator/sessions")).json()

        kept = [call["operation"] for call in (await caller.view())["calls"]]
        assert kept == ["interrupt", "init-client"]
        assert len(shown["calls"]) == 2


async def test_a_long_text_is_kept_in_part(house: House) -> None:
    caller = await house.open()
    await caller.say("x" * 10_000)

    assert len((await caller.view())["calls"][-1]["text"]) == 2_000


async def test_no_secret_is_shown(house: House) -> None:
    caller = await house.open()
    whep = await caller.whep_path()
    page = (await house.client.get("/emulator/sessions")).text

    assert caller.token not in page
    assert whep.rpartition("/")[2] not in page
    assert "emulator-ks" not in page + repr(EmulatorSettings())
