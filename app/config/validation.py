"""What settings ask of each other; a mistake is a `ValueError` of one line that names the fix."""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.config.settings import Settings

_AUTH_NEEDS: Final = {
    "anonymous": (),
    "jwt": ("auth_jwks_url", "auth_issuer", "auth_audience"),
    "header": ("auth_header", "trusted_proxies"),
}
MIN_KEY_LENGTH: Final = 32
MIN_KEY_CHARACTERS: Final = 5
"""How many different ones a key has at least; 32 random hex digits have 14 or so."""

_SAMPLE: Final = re.compile(
    r"change.?(me|this)|replace.?(me|this)|example|sample|placeholder|insecure|your.+(secret|key)",
    re.IGNORECASE,
)
"""What is in keys that people copy; hardly ever in one that was made at random."""

_EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0"})


def check(settings: "Settings") -> None:
    """Raises `ValueError` at the first settings that do not fit together."""
    _check_auth(settings)
    _check_production(settings)
    _check_database(settings)
    _check_speech(settings)
    _check_shutdown(settings)


def _check_auth(settings: "Settings") -> None:
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


def _check_speech(settings: "Settings") -> None:
    """What speaks, and who is asked before, has all that it needs."""
    if settings.speech == "audio" and settings.tts_base_url is None:
        raise ValueError(
            "TTS_BASE_URL is missing: SPEECH=audio needs the address of a text-to-speech service"
        )
    for name in ("tts_api_key", "tts_model", "tts_voice"):
        if getattr(settings, name) is not None and settings.tts_base_url is None:
            raise ValueError(f"{name.upper()} is set, but TTS_BASE_URL is not: set it too")
    if settings.speech_hook_secret is not None and settings.speech_hook_url is None:
        raise ValueError("SPEECH_HOOK_SECRET is set, but SPEECH_HOOK_URL is not: set it too")
    if settings.speech_hook_url is None or settings.environment != "production":
        return
    if settings.speech_hook_secret is None:
        raise ValueError(
            "SPEECH_HOOK_SECRET is missing: production signs what SPEECH_HOOK_URL is sent, make "
            "one with `openssl rand -hex 32`"
        )


def _check_production(settings: "Settings") -> None:
    """Production is safe: keys that nobody can guess, and https."""
    if settings.environment != "production":
        return
    if not settings.secret_key:
        raise ValueError(
            "SECRET_KEY is missing: production needs one, make it with `openssl rand -hex 32`"
        )
    for key in settings.secret_key:
        _check_key(key.get_secret_value())
    if not settings.is_https:
        raise ValueError(
            "PUBLIC_URL is not https: production needs the address that visitors use, such as "
            "https://avatar.example.com"
        )


def _check_database(settings: "Settings") -> None:
    """What is kept in Postgres can be read by the next process, wherever that runs."""
    if settings.database_url.startswith("postgresql") and not settings.secret_key:
        raise ValueError(
            "SECRET_KEY is missing: with Postgres there is no file to keep one beside, "
            "make it with `openssl rand -hex 32`"
        )


def _check_shutdown(settings: "Settings") -> None:
    """Sessions are kept only where the next process can find them: nobody else would end them."""
    if settings.shutdown_sessions != "keep":
        return
    from app.db.database import is_in_memory  # noqa: PLC0415 - SQLAlchemy takes long to come

    if is_in_memory(settings.database_url):
        raise ValueError(
            "SHUTDOWN_SESSIONS=keep would leave sessions open for ever, since DATABASE_URL names "
            "no file: name one, or set SHUTDOWN_SESSIONS=end"
        )


def _check_key(key: str) -> None:
    if len(key) < MIN_KEY_LENGTH:
        raise ValueError(f"SECRET_KEY: each key needs at least {MIN_KEY_LENGTH} characters")
    if len(set(key)) < MIN_KEY_CHARACTERS or _SAMPLE.search(key):
        raise ValueError(
            "SECRET_KEY can be guessed: it looks like a sample, make one with "
            "`openssl rand -hex 32`"
        )
