"""Every setting: its name in the environment, its meaning, its unit and its check.

A setting's description is also its documentation: `.env.example` and `docs/configuration.md`
are tested against this module.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from app.config.ks_settings import KS_SETTINGS, Credentials, KsSettings
from app.config.page_settings import PageSettings
from app.config.setting_types import (
    CommaSeparated,
    Control,
    Days,
    HeaderName,
    Host,
    Integrity,
    LogLevel,
    Minutes,
    NamedTokens,
    Network,
    Port,
    Rate,
    Seconds,
    ServiceToken,
    Tag,
    Text,
)
from app.config.sources import (
    ENCODING,
    SettingsError,
    configured,
    read_env_file,
    unknown_names,
)
from app.config.speech_settings import SpeechSettings
from app.config.url_types import (
    BaseUrl,
    DatabaseUrl,
    FrameAncestors,
    HttpUrl,
    Origins,
    PublicUrl,
    TamperProofUrl,
)
from app.config.validation import validated
from app.kaltura.contract import ItemId
from app.kaltura.url_safety import is_loopback_url

ENV_FILE: Final = ".env"
SDK_URL: Final = "https://cdn.jsdelivr.net/npm/@unisphere/models-sdk-js@1.4.0/index.esm.js"
BUILTIN_PLAYER: Final = "builtin"
CHOICE_SETTINGS: Final = ("avatar_allowed_ids", "avatar_allowed_voice_ids", "avatar_catalog_tag")
DEFAULT_DATABASE_URL: Final = "sqlite+aiosqlite:///data/broker.db"


class Settings(PageSettings, SpeechSettings, KsSettings):
    """The broker's settings; `NAME_FILE` names a file that holds the value of `NAME`."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    # Kaltura
    avatar_base_url: BaseUrl = Field(
        "https://api.avatar.us.kaltura.ai/v1/avatar-session",
        description="Kaltura's Control API, without a slash at the end",
    )
    avatar_id: ItemId | None = Field(
        None, description="The avatar to show: the id of a catalog item or of a saved avatar"
    )
    avatar_voice_id: ItemId | None = Field(
        None, description="The voice; without one Kaltura may refuse to say texts"
    )
    avatar_voice_model_id: ItemId | None = Field(
        "eleven_flash_v2_5",
        description="The voice's text-to-speech model; left out for voices named eself-...",
    )
    avatar_allowed_ids: Annotated[tuple[ItemId, ...], NoDecode, CommaSeparated] = Field(
        (), description="Avatars that a visitor may choose besides AVATAR_ID, comma-separated"
    )
    avatar_allowed_voice_ids: Annotated[tuple[ItemId, ...], NoDecode, CommaSeparated] = Field(
        (), description="Voices that a visitor may choose besides AVATAR_VOICE_ID, comma-separated"
    )
    avatar_catalog_tag: Tag | None = Field(
        None,
        description="Visitors may also choose every avatar and voice of Kaltura's catalog that "
        "carries this admin tag",
    )
    upstream_timeout_seconds: Seconds = Field(
        10, description="Longest wait for one answer of Kaltura, its body included, in seconds"
    )

    # What the browser gets
    avatar_token_mode: Literal["sealed", "direct"] = Field(
        "sealed",
        description="sealed: the page gets the broker's token; direct: it gets Kaltura's own",
    )
    avatar_sdk_url: Literal["builtin"] | HttpUrl | None = Field(
        None,
        description="The ES module that the page loads as @unisphere/models-sdk-js, or builtin",
    )

    avatar_sdk_integrity: Integrity | None = Field(
        None,
        description="The hash that the module at AVATAR_SDK_URL must have (sha384-...); a browser "
        "runs no other",
    )
    frame_ancestors: FrameAncestors = Field(
        (),
        description="Origins whose pages may show the broker's page or its avatar in a frame, and "
        "control the avatar there, comma-separated",
    )

    # Where the broker runs
    environment: Literal["development", "production"] = Field(
        "development", description="development or production"
    )
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode, CommaSeparated] = Field(
        (),
        description="Signs the broker's tokens and encrypts Kaltura's in the database; at least 32 "
        "characters in production; several, comma-separated, rotate: the first serves, all are "
        "accepted",
    )
    host: Host = Field(
        "127.0.0.1", description="The address to listen at; :: is every address of this machine"
    )
    port: Port = Field(
        8000, description="The port to listen at, 0 is any free one; the emulator's is 8001"
    )
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="How many processes serve on this machine; more than one needs Postgres"
    )
    public_url: PublicUrl | None = Field(
        None, description="Where visitors reach the broker, such as https://avatar.example.com"
    )
    allowed_origins: Origins = Field(
        (), description="Other origins whose pages may call the broker, comma-separated"
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, CommaSeparated] = Field(
        (), description="Addresses or networks whose X-Forwarded-* headers count, comma-separated"
    )

    # Who may open sessions
    auth_mode: Literal["anonymous", "jwt", "header"] = Field(
        "anonymous",
        description="Who is a visitor. anonymous: anyone, by a random cookie; jwt: who brings a "
        "token of your login; header: whom your proxy has signed in",
    )
    auth_jwks_url: TamperProofUrl | None = Field(
        None, description="jwt: where your login publishes its keys, a JWK Set; https"
    )
    auth_issuer: Text | None = Field(
        None, description="jwt: the iss of its tokens, character by character"
    )
    auth_audience: Text | None = Field(
        None, description="jwt: the aud of its tokens that are meant for this broker"
    )
    auth_header: HeaderName | None = Field(
        None, description="header: where the proxy says who it is, such as X-Forwarded-User"
    )
    service_tokens: Annotated[dict[str, ServiceToken], NoDecode, NamedTokens] = Field(
        {},
        description="Servers that may open sessions and control those they opened: "
        "name:token, comma-separated, each token at least 16 characters",
    )

    # Who runs it
    operator_token: ServiceToken | None = Field(
        None,
        description="Opens what is the operator's, such as /metrics, as a bearer token of at least "
        "16 characters; without one it stays closed",
    )

    # What a visitor may do
    max_text_length: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="Characters in one speak"
    )
    max_concurrent_sessions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5, description="Sessions open at the same time, of all visitors"
    )
    max_sessions_per_visitor: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="Sessions open at the same time, of one visitor"
    )
    session_max_seconds: Seconds = Field(
        900, description="A session is ended after so many seconds"
    )
    session_idle_seconds: Seconds = Field(
        90, description="A session is ended after so many seconds without a sign of life"
    )
    max_waiting: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100,
        description="Visitors who may wait in line when every session is taken; "
        "0: nobody waits, they are refused",
    )
    address_share_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        80,
        description="How much of the sessions, of the line and of the recordings in work the "
        "visitors of one network address may have together, in percent; 100: all of it",
    )
    create_rate_limit: Rate = Field(
        "10/minute",
        description="Sessions asked for, by one visitor and from one address; asking again in "
        "line is free",
    )
    speak_rate_limit: Rate = Field(
        "60/minute", description="Speaks, of one visitor and from one address"
    )
    control_rate_limit: Rate = Field(
        "300/minute",
        description="Interrupts, of one visitor and from one address; keep-alives, of one visitor",
    )
    daily_minutes_per_visitor: Minutes = Field(
        0, description="Minutes that one visitor's sessions may last in a day (UTC); 0: no limit"
    )
    daily_minutes: Minutes = Field(
        0, description="Minutes that all sessions together may last in a day (UTC); 0: no limit"
    )
    visitor_controls: Annotated[tuple[Control, ...], NoDecode, CommaSeparated] = Field(
        ("speak", "speak-audio", "interrupt", "end"),
        description="What a visitor may do, comma-separated: speak, speak-audio, interrupt, end; "
        "empty: only watch",
    )

    # What is on record
    audit_required: bool = Field(
        default=True,
        description="Whether a call that can't be put on record is refused; false: it is carried "
        "out all the same",
    )
    audit_text: Literal["full", "hash", "none"] = Field(
        "full",
        description="What the record keeps of the words that are said: full: the words; hash: a "
        "keyed hash and their length; none: nothing",
    )
    audit_retention_days: Days = Field(
        90, description="Days after which the record forgets an entry"
    )

    # What is in the log
    log_level: LogLevel = Field(
        default="info",
        description="The lowest level that is logged: debug, info, warning or error; debug also "
        "shows keep-alives, health checks, static files and other routine",
    )

    # What outlives the process
    database_url: DatabaseUrl = Field(
        DEFAULT_DATABASE_URL,
        description="The record and the session history: sqlite+aiosqlite:/// and the path of a "
        "file, or postgresql://user:password@host/name with libpq's parameters",
        repr=False,
    )
    replica_url: BaseUrl | None = Field(
        None,
        description="Where the other replicas on the same Postgres reach this one; empty: this "
        "machine's address and port",
    )
    shutdown_sessions: Literal["end", "keep"] = Field(
        "end",
        description="What becomes of open sessions when the broker is stopped and no other replica "
        "takes them: end ends them, keep leaves them to the next start",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _every_mistake_at_once(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        return validated(values, validate)

    @property
    def shows_developer(self) -> bool:
        """Whether the page shows the developer's panel."""
        return (
            self.environment == "development"
            if self.page_developer is None
            else self.page_developer
        )

    @property
    def sealed(self) -> bool:
        """Whether the page gets the broker's own token instead of Kaltura's."""
        return self.avatar_token_mode == "sealed"  # noqa: S105 - the name of a mode

    @property
    def is_https(self) -> bool:
        """Whether visitors reach the broker over https, as `PUBLIC_URL` says."""
        return (self.public_url or "").startswith("https://")

    @property
    def upstream_is_local(self) -> bool:
        """Whether "Kaltura" runs on this machine: the emulator, or a test's stand-in."""
        return is_loopback_url(self.avatar_base_url)

    @property
    def sdk_url(self) -> str:
        """The SDK's address, or `BUILTIN_PLAYER`, which is the default on a local Kaltura."""
        return self.avatar_sdk_url or (BUILTIN_PLAYER if self.upstream_is_local else SDK_URL)

    def required_to_serve(self) -> tuple[Credentials, ItemId]:
        """The credentials and the avatar's id; raises `SettingsError` naming what is missing."""
        credentials = self.ks_credentials()
        if credentials is None or self.avatar_id is None:
            has = {"avatar_ks": credentials is not None, "avatar_id": self.avatar_id is not None}
            raise SettingsError(*(line for name, line in _TO_SERVE.items() if not has[name]))
        return credentials, self.avatar_id


_TO_SERVE: Final = {
    "avatar_ks": "AVATAR_KS is missing: set it (or AVATAR_KS_FILE) to a Kaltura Session, or set "
    "KALTURA_PARTNER_ID and an app token, or run `avatar-broker demo`, which needs none",
    "avatar_id": "AVATAR_ID is missing: set it to the id of the avatar to show, "
    "or run `avatar-broker demo`, which needs none",
}


def load_settings(*, to_serve: bool = False, **overrides: Any) -> tuple[Settings, list[str]]:
    """The settings from the environment and `.env`, and the names set that have no effect.

    Raises `SettingsError` with a line for each mistake. With `to_serve`, a missing KS or avatar is
    one too. `overrides` win over the environment.
    """
    given = configured(ENV_FILE)
    mistakes, without_effect = unknown_names(
        Settings.model_fields, os.environ, read_env_file(ENV_FILE)
    )
    if given.get("VISITOR_CONTROLS") == "":
        # Elsewhere an empty value is no value; here it would allow everything.
        overrides.setdefault("visitor_controls", ())
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        mistakes += [mistake["msg"] for mistake in error.errors(include_url=False)]
    if to_serve:
        mistakes += _missing_to_serve(given)
    if mistakes:
        raise SettingsError(*mistakes)
    return settings, without_effect


def _missing_to_serve(given: Mapping[str, str | None]) -> list[str]:
    """A line for the KS and one for the avatar, where neither a value nor a file is set."""

    def is_given(name: str) -> bool:
        return bool(given.get(name.upper()) or given.get(f"{name.upper()}_FILE"))

    needs = {"avatar_ks": KS_SETTINGS, "avatar_id": ("avatar_id",)}
    return [_TO_SERVE[name] for name, of in needs.items() if not any(map(is_given, of))]
