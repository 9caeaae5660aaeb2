"""The catalog and its pictures, as pages of any origin get them."""

import httpx
import pytest
from asgi_lifespan import LifespanManager

from app.emulator.main import create_emulator
from app.emulator.settings import CATALOG_TAG, EmulatorSettings
from app.kaltura.contract import MIRROR_PATH
from app.main import Transports, create_app
from tests.support.doubles import KS, PNG, FakeKaltura, look, refusal, settings, voice
from tests.support.visitor_api import CREATE, Visit, is_problem

OTHER = "https://shop.example"
THUMBNAIL = "/api/catalog/avatars/avatar-1/thumbnail"


async def test_a_page_is_told_what_it_may_offer(visit: Visit, kaltura: FakeKaltura) -> None:
    kaltura.catalog = [look("avatar-1"), voice("voice-1"), look("avatar-2"), voice("voice-2")]
    visitor = await visit(allowed_origins=OTHER)
    answer = await visitor.get("/api/catalog", headers={"Origin": OTHER})
    assert answer.headers["Access-Control-Allow-Origin"] == OTHER
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert "Set-Cookie" not in answer.headers
    name = "Name of voice-1"
    assert answer.json() == {
        "avatars": [
            {"avatarId": "avatar-1", "name": "Name of avatar-1", "thumbnailUrl": THUMBNAIL}
        ],
        "voices": [{"voiceId": "voice-1", "name": name, "language": "en", "sampleUrl": None}],
    }


async def test_of_a_kaltura_that_fails_a_page_gets_ids(visit: Visit, kaltura: FakeKaltura) -> None:
    kaltura.will("list", refusal(500))
    visitor = await visit(avatar_allowed_ids="avatar-2")
    answer = await visitor.get("/api/catalog")
    assert [each["name"] for each in answer.json()["avatars"]] == ["avatar-1", "avatar-2"]


@pytest.mark.parametrize(
    "image_url", ["http://cdn.kaltura.test/a.png", "https://10.0.0.1/a.png", "https://[::1]/", "a"]
)
async def test_no_picture_is_named_that_the_broker_does_not_fetch(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura, image_url: str
) -> None:
    kaltura.catalog = [look("avatar-1", imageUrl=image_url)]
    [avatar] = (await visitor.get("/api/catalog")).json()["avatars"]
    assert avatar["thumbnailUrl"] is None
    assert is_problem(await visitor.get(THUMBNAIL), "kaltura-error", 502)
    assert set(kaltura.operations()) == {"list"}


async def test_a_picture_may_be_kept_and_shown_on_every_page(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    lie = {"Content-Type": "text/html", "Cache-Control": "no-store", "X-Upstream": "canary"}
    kaltura.will("avatar-1.png", httpx.Response(200, content=PNG, headers=lie))
    first = await visitor.get(THUMBNAIL)
    assert (first.content, first.headers["Content-Type"]) == (PNG, "image/png")
    again = await visitor.get(THUMBNAIL, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for answer in (first, again):
        assert answer.headers["Cache-Control"] == "public, max-age=600"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert "canary" not in str(first.headers)


async def test_an_avatar_that_is_not_offered_has_no_picture_here(
    visitor: httpx.AsyncClient, kaltura: FakeKaltura
) -> None:
    kaltura.catalog.append(look("avatar-2"))
    refused = await visitor.get("/api/catalog/avatars/avatar-2/thumbnail")
    assert is_problem(refused, "control-not-allowed", 403)


async def test_what_the_catalog_of_the_emulator_offers_is_shown_and_opened() -> None:
    emulator = create_emulator(EmulatorSettings(ks=KS, is_still=True))
    transport = httpx.ASGITransport(emulator)
    configured = settings(
        avatar_base_url=f"http://127.0.0.1:8001{MIRROR_PATH}",
        avatar_id="ada",
        avatar_voice_id="emulator-voice-en-1",
        avatar_catalog_tag=CATALOG_TAG,
    )
    app = create_app(configured, transports=Transports(kaltura=transport, pictures=transport))
    async with LifespanManager(emulator), LifespanManager(app) as manager:
        broker = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=broker, base_url="http://broker.test") as visitor:
            offered = (await visitor.get("/api/catalog")).json()
            assert [each["name"] for each in offered["avatars"]] == ["Ada", "Grace", "Alan"]
            grace = offered["avatars"][1]
            picture = await visitor.get(grace["thumbnailUrl"])
            assert picture.headers["Content-Type"] == "image/png"
            chosen = {"avatarId": grace["avatarId"], "voiceId": offered["voices"][-1]["voiceId"]}
            assert (await visitor.post(CREATE, json=chosen)).status_code == 201
