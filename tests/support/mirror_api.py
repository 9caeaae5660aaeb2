"""Calls of the mirror, as tests make them."""

from typing import Any

from app.kaltura.contract import MIRROR_PATH, Operation
from tests.support.audio import wav

BODIES: dict[Operation, dict[str, Any]] = {
    Operation.INIT_CLIENT: {},
    Operation.SAY_TEXT: {"json": {"text": "Hello", "turnId": "turn-1", "isFinal": True}},
    Operation.SAY_AUDIO: {"files": {"audio": wav(1)}, "data": {"turnId": "t", "duration": "1"}},
    Operation.INTERRUPT: {},
    Operation.KEEP_ALIVE: {"json": {}},
    Operation.END: {},
}


def path(session: dict[str, Any], operation: str) -> str:
    return f"{MIRROR_PATH}/{session['sessionId']}/{operation}"
