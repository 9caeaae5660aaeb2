"""A viewer over WHEP: the same library on the other side, and real packets in between."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import numpy as np
import pytest
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from fastapi import Request

from app.emulator.face.lips import MOUTH_BOX
from app.emulator.face.portrait import Portrait, portrait_of
from tests.support.emulator import Caller, House, OpenHouse
from tests.support.whep_viewer import Viewer, post

PATIENCE = 60
"""Seconds until a test that waits for media gives up."""

TEXT = "Hello there, how are you today? I am very well, thank you for asking."


async def viewer_of(caller: Caller) -> Viewer:
    return Viewer(caller, await caller.whep_path())


async def until_vacant(caller: Caller) -> None:
    while (await caller.view())["viewer"]:  # noqa: ASYNC110 - the emulator shows it, and no more
        await asyncio.sleep(0.01)


async def watch_to_the_end(viewer: Viewer) -> None:
    while True:
        await viewer.picture()


def mouth_of(picture: np.ndarray) -> np.ndarray:
    left, top, right, bottom = MOUTH_BOX
    return picture[top:bottom, left:right]


def restlessness(pictures: list[np.ndarray]) -> float:
    """How much the region of the mouth changes over some pictures."""
    return float(np.stack([mouth_of(picture) for picture in pictures]).std(axis=0).mean())


async def test_a_viewer_sees_a_face_and_hears_what_is_said(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        await viewer.watch()
        silent = [await viewer.loudness() for _ in range(10)]
        still = [await viewer.picture() for _ in range(20)]
        await caller.say(TEXT)
        await viewer.until_loud()
        speaking = (await caller.view())["speaking"]
        talking = [await viewer.picture() for _ in range(40)]

    assert still[0].shape == (512, 512)
    assert max(silent) == 0
    assert speaking
    assert restlessness(still) < 2
    assert restlessness(talking[20:]) > 4


async def test_the_answer_offers_h264_and_opus_and_names_the_viewer(house: House) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as viewer:
        answer = await viewer.watch()
        first_payload = answer.text.split("m=video ")[1].split()[2]

    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.headers["location"].startswith(f"{viewer._whep_path}/viewer/")
    assert f"a=rtpmap:{first_payload} H264/90000" in answer.text
    assert "opus/48000/2" in answer.text
    assert "127.0.0.1" in answer.text


async def test_an_interrupt_is_heard_within_a_second_of_sound(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        await viewer.watch()
        await caller.say(TEXT * 5)
        await viewer.until_loud()
        for _ in range(50):
            await viewer.loudness()
        await caller.call("interrupt")
        heard = [await viewer.loudness() for _ in range(75)]

    assert max(heard[50:]) < 1


async def test_what_was_said_before_anyone_watched_is_heard_from_the_start(house: House) -> None:
    caller = await house.open()
    await caller.say("hello")
    assert not (await caller.view())["speaking"]
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        await viewer.watch()
        await viewer.until_loud()

    assert (await caller.view())["queued"] == 0


async def test_there_is_one_viewer_at_a_time(house: House) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as first, await viewer_of(caller) as second:
        assert (await first.watch()).status_code == 201
        refused = await second.watch()

    assert refused.status_code == 409
    assert refused.json() == {"success": False, "error": "Stream already has a viewer"}


async def test_delete_frees_the_slot(house: House) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as first, await viewer_of(caller) as second:
        location = (await first.watch()).headers["location"]
        deleted = await house.client.delete(location)
        again = await house.client.delete(location)

        assert (deleted.status_code, again.status_code) == (200, 404)
        assert (await second.watch()).status_code == 201


async def test_nobody_can_delete_a_viewer_without_its_name(house: House) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as viewer:
        await viewer.watch()

        answer = await house.client.delete(f"{viewer._whep_path}/viewer/guess")

        assert answer.status_code == 404
        assert (await caller.view())["viewer"]


async def test_a_viewer_that_goes_without_a_word_frees_the_slot(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE):
        async with await viewer_of(caller) as viewer:
            await viewer.watch()
            await viewer.loudness()
            assert (await caller.view())["viewer"]
        await until_vacant(caller)


async def test_a_viewer_that_never_comes_frees_the_slot(open_house: OpenHouse) -> None:
    async with asyncio.timeout(PATIENCE), open_house(connect_seconds=0.01) as house:
        caller = await house.open()
        async with await viewer_of(caller) as viewer:
            answer = await post(house.client, viewer._whep_path, await viewer.offer())
            assert answer.status_code == 201
            await until_vacant(caller)


async def test_the_end_of_the_session_closes_the_connection(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        await viewer.watch()
        await viewer.picture()
        await caller.call("end")
        with pytest.raises(MediaStreamError):
            await watch_to_the_end(viewer)
        answer = await viewer.watch("v=0")

    assert answer.status_code == 404
    assert not (await caller.view())["viewer"]


async def test_an_emulator_stops_while_someone_watches(open_house: OpenHouse) -> None:
    async with asyncio.timeout(PATIENCE):
        async with open_house() as house:
            caller = await house.open()
            viewer = await viewer_of(caller)
            await viewer.watch()
            await caller.say(TEXT)
            await viewer.until_loud()
        with pytest.raises(MediaStreamError):
            await watch_to_the_end(viewer)
        await viewer.peer.close()


async def test_a_session_that_ends_while_its_portrait_is_drawn_gets_no_viewer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await house.open()

    async def draw(avatar_id: str) -> Portrait:
        await caller.call("end")
        return await portrait_of(avatar_id)

    monkeypatch.setattr("app.emulator.main.portrait_of", draw)
    async with await viewer_of(caller) as viewer:
        answer = await viewer.watch()

    assert answer.status_code == 404
    assert not (await caller.view())["viewer"]


async def test_a_viewer_that_gave_up_while_its_portrait_was_drawn_takes_no_slot(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await house.open()
    monkeypatch.setattr(Request, "is_disconnected", AsyncMock(return_value=True))
    async with await viewer_of(caller) as viewer:
        await viewer.watch()

    assert not (await caller.view())["viewer"]


async def test_a_session_that_ends_while_a_viewer_comes_keeps_none(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        _, ended = await asyncio.gather(viewer.watch(), caller.call("end"))

    assert ended.status_code == 200
    assert not (await caller.view())["viewer"]


@pytest.mark.parametrize("key", ["unknown", "é"])
async def test_an_unknown_stream_is_404(house: House, key: str) -> None:
    await house.open()

    assert (await post(house.client, f"/whep/session/{key}", "v=0")).status_code == 404
    assert (await house.client.delete(f"/whep/session/{key}/viewer/x")).status_code == 404


async def test_anything_but_sdp_is_415(house: House) -> None:
    caller = await house.open()
    answer = await house.client.post(await caller.whep_path(), json={"sdp": "v=0"})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "sdp",
    ["", "\0\xff", "hello", "v=0", "v=0\r\nm=video"],
)
async def test_what_is_no_offer_is_400_and_takes_no_slot(house: House, sdp: str) -> None:
    caller = await house.open()
    answer = await post(house.client, await caller.whep_path(), sdp)

    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert not (await caller.view())["viewer"]


@pytest.mark.parametrize("kind", ["audio", "video"])
async def test_an_offer_of_half_is_400_and_takes_no_slot(house: House, kind: str) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as viewer:
        viewer.peer.addTransceiver(kind, direction="recvonly")
        await viewer.peer.setLocalDescription(await viewer.peer.createOffer())
        answer = await viewer.watch(viewer.peer.localDescription.sdp)

    assert answer.status_code == 400
    assert not (await caller.view())["viewer"]


async def test_an_offer_without_h264_is_met_with_vp8(house: House) -> None:
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        transceiver = viewer.peer.addTransceiver("video", direction="recvonly")
        capabilities = RTCRtpReceiver.getCapabilities("video")
        assert capabilities
        vp8 = [codec for codec in capabilities.codecs if codec.name == "VP8"]
        transceiver.setCodecPreferences(vp8)
        viewer.peer.addTransceiver("audio", direction="recvonly")
        await viewer.peer.setLocalDescription(await viewer.peer.createOffer())
        answer = await viewer.watch(viewer.peer.localDescription.sdp)

        assert "H264" not in answer.text
        assert (await viewer.picture()).shape == (512, 512)


async def test_names_in_an_offer_are_not_looked_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise AssertionError("looked up a name")

    monkeypatch.setattr("aioice.ice.get_or_create_mdns_protocol", refuse)
    caller = await house.open()
    async with asyncio.timeout(PATIENCE), await viewer_of(caller) as viewer:
        lines = (await viewer.offer()).splitlines()
        hidden = [
            " ".join([*line.split()[:4], "0a1b.local", *line.split()[5:]])
            if line.startswith("a=candidate:")
            else line
            for line in lines
        ]
        assert any(".local " in line for line in hidden)
        await viewer.watch("\r\n".join(hidden) + "\r\n")

        assert (await viewer.picture()).shape == (512, 512)


@pytest.mark.parametrize(
    ("fault", "location"),
    [
        ({"kind": "override", "headers": {"location": None}}, None),
        ({"kind": "absolute-location"}, "http://127.0.0.1:8001/whep/session/"),
    ],
)
async def test_location_may_be_missing_or_absolute(
    house: House, fault: dict[str, Any], location: str | None
) -> None:
    caller = await house.open()
    await house.play({"operation": "whep", **fault})
    async with await viewer_of(caller) as viewer:
        answer = await viewer.watch()

    assert answer.status_code == 201
    given = answer.headers.get("location")
    assert given == location if location is None else given.startswith(location)


async def test_the_calls_of_a_viewer_are_shown(house: House) -> None:
    caller = await house.open()
    async with await viewer_of(caller) as viewer:
        location = (await viewer.watch()).headers["location"]
        await house.client.delete(location)
    calls = [(call["operation"], call["status"]) for call in (await caller.view())["calls"]]

    assert calls[-2:] == [("whep", 201), ("whep-delete", 200)]
