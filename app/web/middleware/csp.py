"""The Content-Security-Policy of each kind of page."""

from typing import Final
from urllib.parse import urlsplit

from app.config.settings import BUILTIN_PLAYER, Settings
from app.kaltura.contract import MEDIA_HOSTS

DOCUMENT_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The policy of pages without scripts: they may load styles and pictures of the broker."""


def reference_policy(nonce: str) -> str:
    """The policy of the API's documentation: a document with one script."""
    return (
        f"{DOCUMENT_POLICY}; script-src 'nonce-{nonce}'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def console_policy(nonce: str) -> str:
    """The policy of the operator's console: own styles, pictures and calls, scripts with `nonce`.

    A module that such a script imports needs no nonce of its own.
    """
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


_LOOPBACK = "http://127.0.0.1:* http://localhost:*"


def page_policy(settings: Settings, nonce: str) -> str:
    """The policy of the avatar's page: the broker, the SDK's origin, and Kaltura's media."""
    sdk = "" if settings.sdk_url == BUILTIN_PLAYER else _origin(settings.sdk_url)
    return _live_policy(
        settings,
        scripts=f"'self' 'nonce-{nonce}' {sdk}",
        styles=f"'self' 'nonce-{nonce}'" if settings.page_accent else "'self'",
        pictures=f"'self' data: {_origin(settings.page_logo) if settings.page_logo else ''}",
    )


def embed_policy(settings: Settings, nonce: str) -> str:
    """The policy of the element in a frame, which loads no SDK and makes no HTML of strings."""
    live = _live_policy(settings, scripts=f"'self' 'nonce-{nonce}'")
    return f"{live}; require-trusted-types-for 'script'; trusted-types 'none'"


def _live_policy(
    settings: Settings, *, scripts: str, styles: str = "'self'", pictures: str = "'self' data:"
) -> str:
    media = _LOOPBACK if settings.upstream_is_local else MEDIA_HOSTS
    api = "" if settings.sealed else _origin(settings.avatar_base_url)
    directives = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": styles,
        "img-src": pictures,
        "media-src": f"'self' blob: {media}",
        "connect-src": f"'self' {media} {api}",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": " ".join(settings.frame_ancestors) or "'none'",
    }
    return "; ".join(f"{name} {value}".strip() for name, value in directives.items())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
