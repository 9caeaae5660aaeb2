"""Where the Kaltura Session (KS) comes from."""

from typing import Protocol

from pydantic import SecretStr


class KsSource(Protocol):
    """Gives the KS for each create, so that a source may renew it."""

    async def ks(self) -> SecretStr:
        """The KS to use now."""
        ...


class ConfiguredKs:
    """The KS from `AVATAR_KS`; its owner renews it."""

    def __init__(self, ks: SecretStr) -> None:
        self._ks = ks

    async def ks(self) -> SecretStr:
        """The configured KS."""
        return self._ks
