"""The settings of speech: the voice, the length of chunks, and the moderation hook."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from app.config.setting_types import Secret, Text
from app.config.url_types import BaseUrl, HttpUrl


class SpeechSettings(BaseSettings):
    """The settings of speech; `app/config/validation.py` checks that they fit together."""

    speech: Literal["text", "audio", "auto"] = Field(
        "auto",
        description="Whose voice. text: Kaltura's own; audio: that of TTS_BASE_URL; auto: "
        "Kaltura's own, and the other while that answers 503",
    )
    speech_chunk_length: Annotated[int, Field(ge=20, le=100_000)] = Field(
        1000,
        description="Characters that Kaltura is sent at once; longer texts are cut at sentence "
        "ends",
    )
    speech_markdown: Literal["strip", "off"] = Field(
        "strip",
        description="Whether texts that are still being written lose the signs of Markdown, which "
        "language models write: strip or off",
    )
    tts_base_url: BaseUrl | None = Field(
        None,
        description="Another voice: an OpenAI-compatible service, such as "
        "https://api.openai.com/v1",
    )
    tts_api_key: Secret | None = Field(None, description="The key for TTS_BASE_URL")
    tts_model: Text | None = Field(None, description="The model to ask for there, such as tts-1")
    tts_voice: Text | None = Field(None, description="The voice to ask for there, such as alloy")
    speech_hook_url: HttpUrl | None = Field(
        None, description="Who is asked about each text before it is said: allow, replace or refuse"
    )
    speech_hook_secret: Secret | None = Field(
        None, description="Signs what SPEECH_HOOK_URL is sent, as HMAC-SHA256 in X-Signature"
    )
    speech_hook_failure: Literal["allow", "refuse"] = Field(
        "refuse", description="What becomes of a text when the hook gives no answer"
    )
