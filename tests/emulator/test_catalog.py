"""The catalog answers as Kaltura's does (reference 7)."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from app.emulator.catalog import THUMBNAIL_PIXELS
from app.emulator.face.looks import LOOKS
from app.emulator.settings import DEFAULT_VOICE_ID
from tests.support.emulator import KS, House

LIST = "/v1/catalog-item/list"


async def listed(house: House, ks: str = KS, **query: Any) -> httpx.Response:
    return await house.client.post(LIST, json=query, headers={"authorization": f"KS {ks}"})


async def items(house: House, kind: str) -> list[dict[str, Any]]:
    answer = await listed(house, filter={"typeEqual": kind})
    found: list[dict[str, Any]] = answer.json()["objects"]
    return found


async def test_it_lists_its_looks_and_its_voices(house: House) -> None:
    looks, voices = await items(house, "Visual"), await items(house, "Voice")
    assert [item["itemId"] for item in looks] == list(LOOKS)
    assert looks[0]["attributes"]["visual"]["name"] == "Ada"
    assert voices[0]["itemId"] == DEFAULT_VOICE_ID
    assert voices[0]["attributes"]["voice"] == {"name": "English 1", "language": "en"}
    assert all(item["adminTags"] == ["emulator"] for item in looks + voices)


async def test_it_lists_in_pages(house: House) -> None:
    everything = (await listed(house)).json()
    found = []
    for offset in range(0, everything["totalCount"] + 4, 4):
        page = (await listed(house, pager={"offset": offset, "limit": 4})).json()
        assert page["totalCount"] == everything["totalCount"]
        found += page["objects"]
    assert found == everything["objects"]
    assert (await listed(house, pager={"limit": 101})).status_code == 400


@pytest.mark.parametrize(("ks", "status"), [("", 401), ("invalid-ks", 401), ("forbidden-ks", 403)])
async def test_a_ks_that_opens_no_session_lists_nothing(house: House, ks: str, status: int) -> None:
    assert (await listed(house, ks)).status_code == status


async def test_each_look_has_a_picture_of_it(house: House) -> None:
    for item in await items(house, "Visual"):
        answer = await house.client.get(item["imageUrl"])
        assert answer.headers["content-type"] == "image/png"
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.size == (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    assert (await house.client.get("/thumbnails/nobody.png")).status_code == 404


async def test_faults_are_played_to_lists_and_pictures(house: House) -> None:
    [first, *_] = await items(house, "Visual")
    await house.play(
        {"operation": "catalog-item/list", "kind": "override", "body": {"totalCount": 400}},
        {"operation": "thumbnail", "kind": "redirect", "location": "http://10.0.0.1/"},
    )
    assert (await listed(house)).json()["totalCount"] == 400
    assert (await house.client.get(first["imageUrl"])).status_code == 302
    calls = (await house.client.get("/emulator/sessions")).json()["calls"]
    assert [call["operation"] for call in calls][-2:] == ["catalog-item/list", "thumbnail"]
