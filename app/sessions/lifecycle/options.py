"""The choices of a visitor for a session, and the create request made of them."""

from dataclasses import dataclass

from app.config.settings import Settings
from app.kaltura.contract import (
    CLIENT_ID,
    CLONED_VOICE_PREFIX,
    CreateRequest,
    VisualConfig,
    VoiceConfig,
)
from app.problems import ControlNotAllowed
from app.sessions.catalog.offer import Offer


@dataclass(frozen=True)
class SessionOptions:
    """The avatar and voice that a visitor asks for; None stands for the operator's default."""

    avatar_id: str | None = None
    voice_id: str | None = None


def create_request(settings: Settings, options: SessionOptions, offer: Offer) -> CreateRequest:
    """The create request for `options`; raises `ControlNotAllowed` for what is not offered."""
    avatar_id = options.avatar_id or settings.avatar_id
    if avatar_id is None or avatar_id not in offer.avatars:
        raise ControlNotAllowed("avatarId: this avatar is not offered here.", field="avatarId")
    voice_id = options.voice_id or settings.avatar_voice_id
    if voice_id is not None and voice_id not in offer.voices:
        raise ControlNotAllowed("voiceId: this voice is not offered here.", field="voiceId")
    return CreateRequest(
        client_id=CLIENT_ID,
        visual_config=VisualConfig(id=avatar_id),
        voice_config=_voice(settings, voice_id),
    )


def _voice(settings: Settings, voice_id: str | None) -> VoiceConfig | None:
    if voice_id is None:
        return None
    cloned = voice_id.startswith(CLONED_VOICE_PREFIX)
    return VoiceConfig(id=voice_id, model_id=None if cloned else settings.avatar_voice_model_id)
