"""Builds the parts of speech that the settings ask for."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from app.config.settings import Settings
from app.kaltura.transport import open_transport
from app.sessions.clock import Clock
from app.sessions.speech.text.moderation import Hook, HttpHook, SpeechHooks
from app.sessions.speech.voice.synthesis import Synthesis
from app.sessions.speech.voice.tts_fallback import VoiceSelector


@dataclass(frozen=True)
class SpeechServices:
    """The selector of the voice, and the hooks that see each text first."""

    voice: VoiceSelector
    hooks: SpeechHooks


@contextlib.asynccontextmanager
async def speech_services(
    settings: Settings,
    *,
    monotonic: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
    hooks: Sequence[Hook] = (),
) -> AsyncIterator[SpeechServices]:
    """Build the speech services over a transport that is closed when the block ends."""
    transport = transport or open_transport()
    async with contextlib.aclosing(transport):
        yield services_of(settings, monotonic=monotonic, transport=transport, hooks=hooks)


def services_of(
    settings: Settings,
    *,
    monotonic: Clock,
    transport: httpx.AsyncBaseTransport,
    hooks: Sequence[Hook] = (),
) -> SpeechServices:
    """Build the speech services over a transport that the caller closes."""
    configured = list(hooks)
    if settings.speech_hook_url is not None:
        configured.append(
            HttpHook(settings.speech_hook_url, settings.speech_hook_secret, transport)
        )
    return SpeechServices(
        voice=VoiceSelector(
            mode=settings.speech,
            synthesis=synthesis_of(settings, transport),
            chunk_length=settings.speech_chunk_length,
            monotonic=monotonic,
        ),
        hooks=SpeechHooks(
            configured,
            on_failure=settings.speech_hook_failure,
            max_text_length=settings.max_text_length,
        ),
    )


def synthesis_of(settings: Settings, transport: httpx.AsyncBaseTransport) -> Synthesis | None:
    """Build the text-to-speech service's client; None where the settings name no service."""
    if settings.tts_base_url is None:
        return None
    return Synthesis(
        base_url=settings.tts_base_url,
        api_key=settings.tts_api_key,
        model=settings.tts_model,
        voice=settings.tts_voice,
        transport=transport,
    )
