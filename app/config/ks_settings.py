"""The settings that say where the Kaltura Session (KS) comes from."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from app.config.setting_types import PartnerId, Secret, is_address
from app.config.sources import FileSource, unquoted
from app.config.url_types import ApiUrl
from app.kaltura.contract import ItemId
from app.kaltura.credentials import AdminSecret, AppToken

Credentials = SecretStr | AdminSecret | AppToken
"""A KS, or the credentials to make one."""

MINT_SETTINGS: Final = (
    "kaltura_partner_id",
    "kaltura_app_token_id",
    "kaltura_app_token",
    "kaltura_admin_secret",
)
KS_SETTINGS: Final = ("avatar_ks", *MINT_SETTINGS)
"""One of these being set means Kaltura, rather than the demo."""

_WHAT_MAKES_A_KS: Final = (
    "what makes a KS is KALTURA_PARTNER_ID with KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, "
    "or with KALTURA_ADMIN_SECRET"
)


class KsSettings(BaseSettings):
    """The KS, or credentials to make one: the partner id with an app token or an admin secret."""

    avatar_ks: Secret | None = Field(
        None, description="The Kaltura Session (KS) that opens avatar sessions"
    )
    kaltura_partner_id: PartnerId | None = Field(
        None,
        description="Your Kaltura account's number, for a broker that makes and renews its own KS",
    )
    kaltura_app_token_id: ItemId | None = Field(
        None, description="The id of the app token that makes the KS"
    )
    kaltura_app_token: Secret | None = Field(
        None, description="The app token itself, which can be revoked"
    )
    kaltura_admin_secret: Secret | None = Field(
        None, description="The account's admin secret in place of an app token; it can't be revoked"
    )
    kaltura_api_url: ApiUrl = Field(
        "https://www.kaltura.com", description="Kaltura's core API, which makes the KS"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the hook's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """pydantic-settings' hook: its own sources, and `NAME_FILE` in both of them."""
        variables: dict[str, str | None] = {}
        for source in (dotenv_settings, env_settings):
            if isinstance(source, EnvSettingsSource):
                if source is env_settings:
                    source.env_vars = _without_machine_name(_without_quotes(source.env_vars))
                variables |= source.env_vars
        files = FileSource(settings_cls, variables)
        return init_settings, files, env_settings, dotenv_settings

    def ks_credentials(self) -> Credentials | None:
        """The KS or its credentials; raises `ValueError` when it is incomplete or set twice."""
        match [getattr(self, name) for name in MINT_SETTINGS]:
            case [None, None, None, None]:
                return self.avatar_ks
            case _ if self.avatar_ks is not None:
                raise ValueError(
                    "AVATAR_KS is set beside KALTURA_ settings that make a KS: unset AVATAR_KS, "
                    "or all of them but KALTURA_API_URL"
                )
            case [int(partner_id), None, None, SecretStr() as secret]:
                return AdminSecret(partner_id, secret)
            case [int(partner_id), str(token_id), SecretStr() as token, None]:
                return AppToken(partner_id, token_id, token)
            case [_, None, None, _] | [_, _, _, None] as half:
                missing = MINT_SETTINGS[half.index(None)].upper()
                raise ValueError(f"{missing} is missing: {_WHAT_MAKES_A_KS}")
            case _:
                raise ValueError(
                    "KALTURA_ADMIN_SECRET is set beside an app token: unset KALTURA_ADMIN_SECRET, "
                    "because an app token can be revoked"
                )


def _without_machine_name(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """The variables without a `HOST` that is no address: some shells name the machine there.

    Listening at that name would open the broker to the network without being told to.
    """
    return {
        name: value
        for name, value in variables.items()
        if name.upper() != "HOST" or is_address(value or "")
    }


def _without_quotes(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """The variables without quotes around their values, and without those that are empty."""
    bare = {name: unquoted(value or "") for name, value in variables.items()}
    return {name: value for name, value in bare.items() if value}
