"""What visitors may choose: of the account nothing but that, and whatever Kaltura does."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.config.settings import Settings
from app.kaltura.catalog import MAX_PICTURE_BYTES, PictureClient
from app.kaltura.client import KalturaClient
from app.kaltura.http import HttpClient
from app.kaltura.ks_sources import ConfiguredKs
from app.problems import ControlNotAllowed, KalturaFailed
from app.sessions.catalog import thumbnails
from app.sessions.catalog.catalog import FRESH_SECONDS, PAUSE_SECONDS, Catalog
from app.sessions.catalog.offer import MAX_NAME_LENGTH, plain
from app.sessions.catalog.thumbnails import MAX_KEPT_BYTES, Thumbnails
from app.sessions.lifecycle.options import SessionOptions
from tests.support.doubles import (
    PNG,
    Answer,
    FakeClock,
    FakeKaltura,
    Gate,
    look,
    refusal,
    settings,
    settled,
    voice,
)

TAGGED: Any = {"adminTags": ["other", "website"]}


def catalog_of(
    kaltura: FakeKaltura, clock: FakeClock, wait_seconds: float = 5, **changes: Any
) -> Catalog:
    configured = settings(**changes)
    return Catalog(configured, client_of(configured, kaltura).catalog, clock, wait_seconds)


def client_of(configured: Settings, kaltura: FakeKaltura) -> KalturaClient:
    return KalturaClient(
        base_url=configured.avatar_base_url,
        ks_source=ConfiguredKs(SecretStr("ks")),
        transport=kaltura,
        timeout_seconds=5,
    )


async def names(catalog: Catalog) -> dict[str, str]:
    offer = await catalog.offer()
    return {item.id: item.name for item in (*offer.avatars.values(), *offer.voices.values())}


async def test_what_the_settings_allow_is_offered_and_nothing_else_of_the_account(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog = [look(f"avatar-{number}", **TAGGED) for number in range(400)]
    kaltura.catalog += [voice("voice-1"), voice("voice-2", **TAGGED), voice("voice-3")]
    catalog = catalog_of(
        kaltura, clock, avatar_allowed_ids="avatar-399,saved", avatar_allowed_voice_ids="voice-3"
    )
    assert list((await names(catalog)).items()) == [
        ("avatar-1", "Name of avatar-1"),
        ("avatar-399", "Name of avatar-399"),
        ("saved", "saved"),
        ("voice-1", "Name of voice-1"),
        ("voice-3", "Name of voice-3"),
    ]


async def test_with_a_tag_what_carries_it_is_offered_too(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog = [
        *(look("avatar-2", **TAGGED), look("avatar-3", adminTags=["WEBSITE", "website-2"])),
        *(look("avatar-1"), look("avatar-4", adminTags=None)),
        *(voice("voice-2", **TAGGED), voice("voice-3", adminTags=[])),
    ]
    catalog = catalog_of(kaltura, clock, avatar_catalog_tag="website", avatar_voice_id=None)
    assert list(await names(catalog)) == ["avatar-1", "avatar-2", "voice-2"]


async def test_what_carries_the_tag_can_be_opened_and_nothing_else(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog = [look("avatar-2", **TAGGED), look("avatar-3"), voice("voice-2", **TAGGED)]
    catalog = catalog_of(kaltura, clock, avatar_catalog_tag="website")
    request = await catalog.create_request(SessionOptions("avatar-2", "voice-2"))
    assert request.visual_config.id == "avatar-2"
    assert request.voice_config
    assert request.voice_config.id == "voice-2"
    for options in (SessionOptions("avatar-3"), SessionOptions("avatar-2", "voice-3")):
        with pytest.raises(ControlNotAllowed):
            await catalog.create_request(options)
    assert len(kaltura.calls) == 2, "one page of each type, whoever asks"


async def test_where_the_settings_decide_no_create_waits_for_the_catalog(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    await catalog_of(kaltura, clock, avatar_catalog_tag="website").create_request(SessionOptions())
    with pytest.raises(ControlNotAllowed):
        await catalog_of(kaltura, clock).create_request(SessionOptions("avatar-2"))
    assert kaltura.calls == []


async def test_without_an_answer_names_are_ids_and_it_is_asked_again_in_a_minute(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog = [look("avatar-1"), voice("voice-1")]
    kaltura.will("list", refusal(403))
    catalog = catalog_of(kaltura, clock)
    for _ in range(3):
        assert await names(catalog) == {"avatar-1": "avatar-1", "voice-1": "voice-1"}
    assert len(kaltura.calls) == 1
    clock.advance(PAUSE_SECONDS)
    assert (await names(catalog))["avatar-1"] == "Name of avatar-1"


async def test_it_is_read_every_ten_minutes_and_the_last_good_answer_stands_when_that_fails(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog = [look("avatar-1")]
    catalog = catalog_of(kaltura, clock)
    before = await catalog.offer()
    clock.advance(FRESH_SECONDS - 1)
    kaltura.catalog = [look("avatar-1", attributes={"visual": {"name": "Anna"}})]
    assert await catalog.offer() is before
    clock.advance(1)
    kaltura.will("list", httpx.Response(200, json={"objects": []}), refusal(500))
    assert await catalog.offer() is before
    clock.advance(PAUSE_SECONDS)
    assert (await names(catalog))["avatar-1"] == "Anna"


async def test_it_is_read_once_for_all_who_ask_at_the_same_time(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    catalog = catalog_of(kaltura, clock)
    offers = await asyncio.gather(*(catalog.offer() for _ in range(20)))
    assert all(offer is offers[0] for offer in offers)
    assert [call.body["filter"]["typeEqual"] for call in kaltura.calls] == ["Visual", "Voice"]


async def test_where_one_has_waited_in_vain_for_the_catalog_nobody_else_does(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.will("list", Gate())
    catalog = catalog_of(kaltura, clock, wait_seconds=0)
    before = await catalog.offer()
    catalog._wait_seconds = 3600
    assert await catalog.offer() is before
    await catalog.aclose()


async def test_nobody_waits_long_for_a_slow_catalog_but_it_is_read_all_the_same(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    slow = Gate(httpx.Response(200, json={"objects": [look("avatar-1")]}))
    kaltura.will("list", slow)
    catalog = catalog_of(kaltura, clock, wait_seconds=0)
    assert (await names(catalog))["avatar-1"] == "avatar-1"
    await slow.reached.wait()
    slow.open.set()
    await settled()
    assert (await names(catalog))["avatar-1"] == "Name of avatar-1"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" Anna\n \tMaria ", "Anna Maria"),
        ("A\x00B\x1b[31m", "A B [31m"),
        ("\u202eannA\ufeff", "annA"),
        ("A\ud800nna", "Anna"),
        ("\u200b\u2066 \n", None),
        ("", None),
        (None, None),
        ("\u05d0\u05e0\u05d4", "\u05d0\u05e0\u05d4"),
        ("x" * MAX_NAME_LENGTH, "x" * MAX_NAME_LENGTH),
        ("x" * 10_000, "x" * (MAX_NAME_LENGTH - 1) + "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_a_name_is_one_bounded_line_of_visible_text(text: str | None, line: str | None) -> None:
    assert plain(text, MAX_NAME_LENGTH) == line


# Pictures


def thumbnails_of(
    kaltura: FakeKaltura, clock: FakeClock, wait_seconds: float = 5, **changes: Any
) -> Thumbnails:
    client = PictureClient(HttpClient(kaltura, 5), allow_private=False)
    return Thumbnails(catalog_of(kaltura, clock, **changes), client, clock, wait_seconds)


def fetched(kaltura: FakeKaltura) -> list[str]:
    return [each for each in kaltura.operations() if each != "list"]


async def test_a_picture_is_fetched_once_for_all_who_ask_in_ten_minutes(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    pictures = thumbnails_of(kaltura, clock)
    shown = await asyncio.gather(*(pictures.find("avatar-1") for _ in range(20)))
    clock.advance(thumbnails.KEPT_SECONDS - 1)
    shown.append(await pictures.find("avatar-1"))
    assert {picture.content for picture in shown} == {PNG}
    assert fetched(kaltura) == ["avatar-1.png"]


async def test_a_picture_that_can_not_be_had_is_told_and_tried_again_in_a_minute(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.will("avatar-1.png", refusal(500))
    pictures = thumbnails_of(kaltura, clock)
    for _ in range(3):
        with pytest.raises(KalturaFailed):
            await pictures.find("avatar-1")
    assert fetched(kaltura) == ["avatar-1.png"]
    clock.advance(thumbnails.PAUSE_SECONDS)
    assert (await pictures.find("avatar-1")).content == PNG


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, content=b"<html>"), Gate()], ids=["no picture", "slow"]
)
async def test_the_last_picture_is_shown_while_it_is_fetched_anew_and_when_that_fails(
    kaltura: FakeKaltura, clock: FakeClock, answer: Answer
) -> None:
    pictures = thumbnails_of(kaltura, clock)
    await pictures.find("avatar-1")
    clock.advance(thumbnails.KEPT_SECONDS)
    kaltura.will("avatar-1.png", answer)
    for _ in range(2):
        assert (await pictures.find("avatar-1")).content == PNG
        await settled()
    assert fetched(kaltura) == ["avatar-1.png"] * 2
    await pictures.aclose()


async def test_a_picture_that_has_changed_is_shown_once_it_is_fetched(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    pictures = thumbnails_of(kaltura, clock)
    await pictures.find("avatar-1")
    clock.advance(thumbnails.KEPT_SECONDS)
    kaltura.will("avatar-1.png", httpx.Response(200, content=b"GIF89a"))
    await pictures.find("avatar-1")
    await settled()
    assert (await pictures.find("avatar-1")).media_type == "image/gif"


async def test_nobody_waits_long_for_a_slow_picture(kaltura: FakeKaltura, clock: FakeClock) -> None:
    kaltura.will("avatar-1.png", Gate())
    pictures = thumbnails_of(kaltura, clock, wait_seconds=0)
    with pytest.raises(KalturaFailed):
        await pictures.find("avatar-1")
    await pictures.aclose()


async def test_pictures_are_given_out_of_what_is_offered_alone(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    kaltura.catalog += [look("avatar-2"), look("avatar-3", imageUrl=None)]
    pictures = thumbnails_of(kaltura, clock, avatar_allowed_ids="avatar-3")
    with pytest.raises(ControlNotAllowed):
        await pictures.find("avatar-2")
    with pytest.raises(KalturaFailed):
        await pictures.find("avatar-3")
    assert fetched(kaltura) == []


async def test_all_pictures_that_are_kept_together_are_bounded(
    kaltura: FakeKaltura, clock: FakeClock
) -> None:
    large = PNG + b"\0" * (MAX_PICTURE_BYTES - len(PNG))
    avatars = [f"avatar-{number}" for number in range(MAX_KEPT_BYTES // MAX_PICTURE_BYTES + 1)]
    kaltura.catalog = [look(each, **TAGGED) for each in avatars]
    for each in avatars:
        kaltura.will(f"{each}.png", httpx.Response(200, content=large))
    pictures = thumbnails_of(kaltura, clock, avatar_catalog_tag="website")
    for each in (*avatars, avatars[-1]):
        await pictures.find(each)
    assert pictures._kept_bytes <= MAX_KEPT_BYTES
    assert fetched(kaltura) == [f"{each}.png" for each in avatars]
    first, *_ = list(await names(pictures._catalog))
    await pictures.find(first)
    assert fetched(kaltura)[-1] == f"{first}.png", "what was not asked for longest is forgotten"
