"""Calls of the client, one of each operation."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from app.kaltura.client import KalturaClient, Recording, SessionAccess
from app.kaltura.contract import CreateRequest, Operation, SayTextRequest, VisualConfig, VoiceConfig

ACCESS = SessionAccess("session-1", SecretStr("jwt-1"))


WISH = CreateRequest(
    client_id="kaltura-avatar-sdk",
    visual_config=VisualConfig(id="avatar-1"),
    voice_config=VoiceConfig(id="voice-1", model_id="eleven_flash_v2_5"),
)


SAID = SayTextRequest(text="Hello", turn_id="turn-1")


SOUND = Recording(b"ID3sound", "audio/mpeg", 1.5)


def call(client: KalturaClient, operation: Operation) -> Awaitable[Any]:
    calls: dict[Operation, Callable[[], Awaitable[Any]]] = {
        Operation.CREATE: lambda: client.create(WISH),
        Operation.INIT_CLIENT: lambda: client.init_client(ACCESS),
        Operation.SAY_TEXT: lambda: client.say_text(ACCESS, SAID),
        Operation.SAY_AUDIO: lambda: client.say_audio(ACCESS, SOUND, "turn-1"),
        Operation.INTERRUPT: lambda: client.interrupt(ACCESS),
        Operation.KEEP_ALIVE: lambda: client.keep_alive(ACCESS),
        Operation.END: lambda: client.end(ACCESS),
    }
    return calls[operation]()


every_operation = pytest.mark.parametrize("operation", list(Operation))
