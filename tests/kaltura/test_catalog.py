"""The client of Kaltura's catalog: all pages, and pictures from nowhere private."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.kaltura import errors
from app.kaltura.breaker import THRESHOLD
from app.kaltura.catalog import (
    MAX_PAGE_BYTES,
    MAX_PAGES,
    MAX_PICTURE_BYTES,
    PictureClient,
    picture_type,
)
from app.kaltura.client import KalturaClient
from app.kaltura.contract import MAX_PAGE_ITEMS, ItemType
from app.kaltura.http import HttpClient
from app.kaltura.ks_sources import ConfiguredKs
from tests.support.doubles import KS, PNG, FakeKaltura, exception, look, refusal, voice

PICTURE = "https://cdn.kaltura.test/a.png"


@pytest.fixture
def client(kaltura: FakeKaltura) -> KalturaClient:
    return KalturaClient(
        base_url="https://kaltura.test/v1/avatar-session/",
        ks_source=ConfiguredKs(SecretStr(KS)),
        transport=kaltura,
        timeout_seconds=5,
    )


@pytest.fixture
def pictures(kaltura: FakeKaltura) -> PictureClient:
    return PictureClient(HttpClient(kaltura, 5), allow_private=False)


def page(*items: Any, total: Any = None) -> httpx.Response:
    told = {} if total is None else {"totalCount": total}
    return httpx.Response(200, json={"objects": items, **told})


async def ids_of(client: KalturaClient, kind: ItemType = ItemType.VISUAL) -> list[str]:
    return [item.item_id for item in await client.catalog.items(kind)]


async def test_every_page_is_asked_for_beside_the_control_api(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    avatars = [f"avatar-{number}" for number in range(400)]
    kaltura.catalog = [look(each) for each in avatars] + [voice("voice-1")]
    assert await ids_of(client) == avatars
    assert {str(call.request.url) for call in kaltura.calls} == {
        "https://kaltura.test/v1/catalog-item/list"
    }
    assert {call.authorization for call in kaltura.calls} == {f"KS {KS}"}
    assert [call.body for call in kaltura.calls] == [
        {
            "filter": {"typeEqual": "Visual"},
            "pager": {"offset": offset, "limit": MAX_PAGE_ITEMS},
            "orderBy": "-createdAt",
        }
        for offset in (0, 100, 200, 300)
    ]


@pytest.mark.parametrize(
    "pages",
    [
        [page(look("a"), look("b"), total=3), page(look("c"), total=3)],
        [page(look("a"), look("b"), total=9), page(look("b"), look("c"), total=9), page(total=9)],
        [page(look("a"), look("b"), look("c"))],
    ],
    ids=["shorter pages than asked for", "a count that is too high", "no count"],
)
async def test_the_last_page_is_known_by_the_count_or_by_its_length(
    client: KalturaClient, kaltura: FakeKaltura, pages: list[httpx.Response]
) -> None:
    kaltura.will("list", *pages, refusal(500))
    assert await ids_of(client) == ["a", "b", "c"]


async def test_a_catalog_without_an_end_is_not_read_for_ever(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    full = [look(f"avatar-{number}") for number in range(MAX_PAGE_ITEMS)]
    kaltura.will("list", *(page(*full, total=10**9) for _ in range(MAX_PAGES)))
    assert len(await ids_of(client)) == MAX_PAGE_ITEMS
    assert len(kaltura.calls) == MAX_PAGES


@pytest.mark.parametrize(
    "broken",
    [
        *(None, "text", [], {}),
        look("../etc"),
        look("b", type="Face"),
        look("b", type="Voice"),
        look("b", attributes={"visual": {"name": ["Bea"]}}),
        look("b", imageUrl=7),
        look("b", adminTags="website"),
    ],
)
async def test_an_item_that_is_not_as_documented_is_left_out(
    client: KalturaClient, kaltura: FakeKaltura, broken: Any
) -> None:
    kaltura.will("list", page(look("a"), broken, look("c", adminTags=None, imageUrl=None)))
    assert await ids_of(client) == ["a", "c"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(403), errors.CredentialsRejectedError),
        (exception("SERVICE_FORBIDDEN"), errors.CredentialsRejectedError),
        (exception("SOMETHING_ELSE"), errors.BrokenAnswerError),
        (httpx.Response(302, headers={"Location": "/"}), errors.RejectedError),
        (
            httpx.Response(200, content=b'{"objects": []}' + b" " * MAX_PAGE_BYTES),
            errors.BrokenAnswerError,
        ),
        (httpx.Response(200, json={"objects": {}}), errors.BrokenAnswerError),
        (refusal(500), errors.ServerFailedError),
    ],
)
async def test_a_page_that_can_not_be_used_is_a_typed_error(
    client: KalturaClient, kaltura: FakeKaltura, answer: httpx.Response, error: type[Exception]
) -> None:
    kaltura.will("list", answer)
    with pytest.raises(error):
        await client.catalog.items(ItemType.VOICE)


async def test_a_catalog_that_fails_keeps_no_session_from_being_opened(
    client: KalturaClient, kaltura: FakeKaltura
) -> None:
    for _ in range(2 * THRESHOLD):
        kaltura.will("list", httpx.ConnectError("nobody there"))
        with pytest.raises(errors.NotConnectedError):
            await client.catalog.items(ItemType.VISUAL)
    assert client.breaker_state == "closed"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", None),
        (b"<!doctype html><script>alert(1)</script>", None),
        (b"", None),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(content: bytes, media_type: str | None) -> None:
    assert picture_type(content) == media_type


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>", headers={"Content-Type": "image/png"}),
        httpx.Response(200, content=PNG + b"\0" * MAX_PICTURE_BYTES),
        httpx.Response(302, headers={"Location": PICTURE}),
        httpx.Response(404, content=PNG),
    ],
    ids=["another kind", "too large", "a redirect", "an error"],
)
async def test_what_is_no_picture_of_one_megabyte_is_an_error(
    pictures: PictureClient, kaltura: FakeKaltura, answer: httpx.Response
) -> None:
    kaltura.will("a.png", answer)
    with pytest.raises(errors.KalturaError):
        await pictures.fetch(PICTURE)
    assert len(kaltura.calls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.kaltura.test/a.png",
        "https://10.0.0.1/a.png",
        "https://169.254.169.254/a.png",
        "https://localhost/a.png",
        "file:///etc/passwd",
        "https://cdn.kaltura.test/\x7f",
        "https://cdn.kaltura.test/\ud800",
    ],
)
async def test_no_picture_is_fetched_but_by_https_from_a_public_host(
    pictures: PictureClient, kaltura: FakeKaltura, url: str
) -> None:
    with pytest.raises(errors.BrokenAnswerError):
        await pictures.fetch(url)
    assert kaltura.calls == []


async def test_an_emulator_on_loopback_may_have_its_pictures_there(kaltura: FakeKaltura) -> None:
    pictures = PictureClient(HttpClient(kaltura, 5), allow_private=True)
    assert (await pictures.fetch("http://127.0.0.1:8001/a.png")).content == PNG


async def test_a_picture_takes_no_longer_than_an_answer_may(kaltura: FakeKaltura) -> None:
    async def silence() -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    kaltura.will("a.png", silence)
    pictures = PictureClient(HttpClient(kaltura, 0.01), allow_private=False)
    with pytest.raises(errors.TimedOutError):
        await pictures.fetch(PICTURE)
