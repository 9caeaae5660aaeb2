"""Whatever Kaltura's voice does, the sentence is heard; and Stop is silence."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.support.avatar_page import AvatarPage, eventually
from tests.support.demo import Demo, RunDemo
from tests.support.voice_service import VoiceService, voice_service

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "I could go on about this for a very long time, because there is so much to be said. " * 4


@pytest.fixture(scope="module")
def service() -> Iterator[VoiceService]:
    with voice_service() as service:
        yield service


@pytest.fixture(scope="module")
def voiced_demo(
    run_demo: RunDemo, service: VoiceService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    voice = {"TTS_BASE_URL": service.url, "TTS_MODEL": "tts-1", "TTS_VOICE": "alloy"}
    with run_demo(tmp_path_factory.mktemp("voiced"), **voice) as demo:
        yield demo


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _no_fault_stays(voiced_demo: Demo) -> AsyncIterator[None]:
    yield
    await play(voiced_demo)


async def play(demo: Demo, *faults: dict[str, object]) -> None:
    """What goes wrong at Kaltura from now on."""
    async with httpx.AsyncClient() as client:
        answer = await client.put(f"{demo.emulator_url}/emulator/faults", json=faults)
        answer.raise_for_status()


async def test_without_kaltura_s_voice_the_sentence_is_heard_and_its_own_comes_back(
    tab: AvatarPage, voiced_demo: Demo, service: VoiceService
) -> None:
    await play(voiced_demo, {"operation": "say-text", "kind": "status", "status": 503})
    await tab.page.goto(voiced_demo.url)
    session_id = await tab.start()
    await tab.speak("Can you hear me all the same?")
    await expect(tab.fates.first).to_contain_text("speaking")
    began = await tab.media_time()
    await eventually(lambda: tab.loud_since(began), "the other voice is heard")
    await expect(tab.page.locator(".messages .note")).to_be_visible()
    assert service.said == ["Can you hear me all the same?"]
    async with httpx.AsyncClient(base_url=voiced_demo.url) as operator:
        assert (await operator.get("/readyz")).json()["speech"] == "audio"

        await play(voiced_demo)

        async def is_back() -> bool:
            await tab.speak("Now?")
            await expect(tab.fates.first).to_contain_text("said")
            return bool((await operator.get("/readyz")).json()["speech"] == "text")

        await eventually(is_back, "Kaltura's own voice says it again")
    await expect(tab.page.locator(".messages .note")).to_be_hidden()
    calls = (await voiced_demo.session(session_id))["calls"]
    assert [c["status"] for c in calls if c["operation"] == "say-text"] == [503, 200]
    await tab.button("End").click()


async def test_stop_silences_five_long_texts_also_where_kaltura_goes_on(
    tab: AvatarPage, voiced_demo: Demo
) -> None:
    await play(voiced_demo, {"operation": "interrupt", "kind": "keep-queue"})
    await tab.page.goto(voiced_demo.url)
    session_id = await tab.start()
    for number in range(5):
        await tab.speak(f"Number {number}. {LONG}")
        await expect(tab.fates).to_have_count(number + 1)
    await expect(tab.fates.last).to_contain_text("speaking")
    await expect(tab.fates.first).to_contain_text("queued")
    began = await tab.media_time()
    await eventually(lambda: tab.loud_since(began), "the voice is heard")
    await tab.button("Stop").click()
    await expect(tab.fates.first).to_contain_text("stopped")
    await tab.goes_silent(seconds=4)
    await expect(tab.fates).to_contain_text(["stopped"] * 5)
    receipts = await tab.page.evaluate(
        "id => fetch(`/api/avatar-sessions/${id}/utterances`).then(answer => answer.json())",
        session_id,
    )
    assert [each["state"] for each in receipts["utterances"]] == ["interrupted"] * 5
    await tab.button("End").click()
