"""What settings ask of each other; a mistake is a `ValueError` of one line that names the fix."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.settings import Settings

_AUTH_NEEDS: Final = {
    "anonymous": (),
    "jwt": ("auth_jwks_url", "auth_issuer", "auth_audience"),
    "header": ("auth_header", "trusted_proxies"),
}
_EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0"})


def check_auth(settings: "Settings") -> None:
    """Each AUTH_MODE has all that it needs, and nothing of another."""
    mode, needs = settings.auth_mode, _AUTH_NEEDS[settings.auth_mode]
    missing = next((name for name in needs if not getattr(settings, name)), None)
    if missing is not None:
        wanted = " and ".join(name.upper() for name in needs)
        raise ValueError(f"{missing.upper()} is missing: AUTH_MODE={mode} needs {wanted}")
    for other, names in _AUTH_NEEDS.items():
        for name in names:
            if name not in {*needs, "trusted_proxies"} and getattr(settings, name):
                raise ValueError(
                    f"{name.upper()} is set, but AUTH_MODE={mode} does not look at it: "
                    f"set AUTH_MODE={other}, or unset {name.upper()}"
                )
    if mode == "header" and not _EVERYONE.isdisjoint(settings.trusted_proxies):
        raise ValueError(
            "TRUSTED_PROXIES trusts every address, so with AUTH_MODE=header anyone could be "
            "anyone: name your proxy's own address"
        )
