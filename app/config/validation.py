"""The validation of all settings at once: each by itself, and their combinations.

Every mistake is told in one line that names the fix, and never the value, which may be a secret.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ModelWrapValidatorHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.config.sources import Unreadable

if TYPE_CHECKING:
    from app.config.settings import Settings

S = TypeVar("S", bound="Settings")

_AUTH_NEEDS: Final = {
    "anonymous": (),
    "jwt": ("auth_jwks_url", "auth_issuer", "auth_audience"),
    "header": ("auth_header", "trusted_proxies"),
}
MIN_KEY_LENGTH: Final = 32
MIN_KEY_CHARACTERS: Final = 5
"""Different characters that a key must have; 32 random hex digits have about 14."""

_SAMPLE: Final = re.compile(
    r"change.?(me|this)|replace.?(me|this)|example|sample|placeholder|insecure|your.+(secret|key)",
    re.IGNORECASE,
)
"""Words of sample keys, which hardly ever occur in a random one."""

_EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0"})


def validated(values: Mapping[str, Any], validate: ModelWrapValidatorHandler[S]) -> S:
    """The settings made from `values`; raises `ValidationError` with every mistake in them.

    A combination is judged only where none of the settings in it is malformed.
    """
    wrong = {n: value.mistake for n, value in values.items() if isinstance(value, Unreadable)}
    try:
        settings = validate({n: value for n, value in values.items() if n not in wrong})
    except ValidationError as error:
        malformed: dict[str, str] = {}
        for mistake in error.errors(include_url=False, include_input=False, include_context=False):
            message = mistake["msg"].removeprefix("Value error, ")
            malformed.setdefault(str(mistake["loc"][0]), message)
        unknown = wrong.keys() | malformed.keys()
        settings = validate({n: value for n, value in values.items() if n not in unknown})
        for name, message in malformed.items():
            meaning = type(settings).model_fields[name].description
            wrong[name] = f"{name.upper()} is malformed: {message} ({meaning})"
    for name in wrong:
        del settings.__dict__[name]  # the default, which is not what was asked for
    lines = [*wrong.values(), *_misfits(settings, are_all_known=not wrong)]
    if lines:
        raise ValidationError.from_exception_data("settings", [_detail(line) for line in lines])
    return settings


def _detail(line: str) -> InitErrorDetails:
    error = PydanticCustomError("setting", "{line}", {"line": line})
    return InitErrorDetails(type=error, input=None)


def _misfits(settings: "Settings", *, are_all_known: bool) -> Iterator[str]:
    """A line for each combination of settings that does not fit together."""
    for check in _CHECKS:
        try:
            yield from check(settings)
        except AttributeError:  # raised by a setting that is malformed
            if are_all_known:
                raise


def _is_missing(settings: "Settings", name: str) -> bool:
    """Whether a setting has no value; a malformed one is not missing."""
    return not getattr(settings, name, True)


def _is_set(settings: "Settings", name: str) -> bool:
    """Whether a setting has a good value; a malformed one has a line already."""
    return bool(getattr(settings, name, None))


def _check_ks(settings: "Settings") -> Iterator[str]:
    """Check that the KS comes from one source, and that this is complete."""
    try:
        settings.ks_credentials()
    except ValueError as error:
        yield str(error)


def _check_auth_needs(settings: "Settings") -> Iterator[str]:
    """Check that AUTH_MODE has every setting that it needs."""
    needs = _AUTH_NEEDS[settings.auth_mode]
    wanted = " and ".join(name.upper() for name in needs)
    for name in needs:
        if _is_missing(settings, name):
            yield f"{name.upper()} is missing: AUTH_MODE={settings.auth_mode} needs {wanted}"


def _check_other_auth(settings: "Settings") -> Iterator[str]:
    """Check that no setting is set that only another AUTH_MODE reads."""
    mode = settings.auth_mode
    for other, names in _AUTH_NEEDS.items():
        for name in names:
            if name in {*_AUTH_NEEDS[mode], "trusted_proxies"} or not _is_set(settings, name):
                continue
            yield (
                f"{name.upper()} is set, but AUTH_MODE={mode} does not look at it: "
                f"set AUTH_MODE={other}, or unset {name.upper()}"
            )


def _check_signing_proxies(settings: "Settings") -> Iterator[str]:
    """Check that a header signs visitors in only where it comes from a known proxy."""
    if settings.auth_mode == "header" and not _EVERYONE.isdisjoint(settings.trusted_proxies):
        yield (
            "TRUSTED_PROXIES trusts every address, so with AUTH_MODE=header anyone could be "
            "anyone: name your proxy's own address"
        )


def _check_speech(settings: "Settings") -> Iterator[str]:
    """Check that a text-to-speech service that is asked for has an address."""
    if not _is_missing(settings, "tts_base_url"):
        return
    for name in ("tts_api_key", "tts_model", "tts_voice"):
        if _is_set(settings, name):
            yield f"{name.upper()} is set, but TTS_BASE_URL is not: set it too"
    if settings.speech == "audio":
        yield "TTS_BASE_URL is missing: SPEECH=audio needs the address of a text-to-speech service"


def _check_speech_hook(settings: "Settings") -> Iterator[str]:
    """Check that a speech hook has an address, and in production a secret."""
    if _is_missing(settings, "speech_hook_url"):
        if _is_set(settings, "speech_hook_secret"):
            yield "SPEECH_HOOK_SECRET is set, but SPEECH_HOOK_URL is not: set it too"
    elif _is_missing(settings, "speech_hook_secret") and settings.environment == "production":
        yield (
            "SPEECH_HOOK_SECRET is missing: production signs what SPEECH_HOOK_URL is sent, make "
            "one with `openssl rand -hex 32`"
        )


def _check_secret_key(settings: "Settings") -> Iterator[str]:
    """Check that production has random keys, and Postgres one that all its processes share."""
    if settings.environment == "production":
        if _is_missing(settings, "secret_key"):
            yield "SECRET_KEY is missing: production needs one, make it with `openssl rand -hex 32`"
        yield from dict.fromkeys(_weaknesses(settings))
    elif _is_missing(settings, "secret_key") and settings.database_url.startswith("postgresql"):
        yield (
            "SECRET_KEY is missing: with Postgres there is no file to keep one beside, "
            "make it with `openssl rand -hex 32`"
        )


def _weaknesses(settings: "Settings") -> Iterator[str]:
    for key in settings.secret_key:
        try:
            _check_key(key.get_secret_value())
        except ValueError as error:
            yield str(error)


def _check_https(settings: "Settings") -> Iterator[str]:
    """Check that visitors come over https in production."""
    if settings.environment == "production" and not (settings.public_url or "").startswith("https"):
        yield (
            "PUBLIC_URL is not https: production needs the address that visitors use, such as "
            "https://avatar.example.com"
        )


def _check_shutdown(settings: "Settings") -> Iterator[str]:
    """Check that sessions are kept only in a file, where the next process can find and end them."""
    if settings.shutdown_sessions != "keep":
        return
    from app.db.database import is_in_memory  # noqa: PLC0415 - SQLAlchemy takes long to come

    if is_in_memory(settings.database_url):
        yield (
            "SHUTDOWN_SESSIONS=keep would leave sessions open for ever, since DATABASE_URL names "
            "no file: name one, or set SHUTDOWN_SESSIONS=end"
        )


_CHECKS: Final[tuple[Callable[["Settings"], Iterator[str]], ...]] = (
    _check_ks,
    _check_auth_needs,
    _check_other_auth,
    _check_signing_proxies,
    _check_speech,
    _check_speech_hook,
    _check_secret_key,
    _check_https,
    _check_shutdown,
)


def _check_key(key: str) -> None:
    if len(key) < MIN_KEY_LENGTH:
        raise ValueError(f"SECRET_KEY: each key needs at least {MIN_KEY_LENGTH} characters")
    if len(set(key)) < MIN_KEY_CHARACTERS or _SAMPLE.search(key):
        raise ValueError(
            "SECRET_KEY can be guessed: it looks like a sample, make one with "
            "`openssl rand -hex 32`"
        )
