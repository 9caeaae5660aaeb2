"""Settings: each is checked, and a wrong one is named with its fix in one line."""

import os
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app import cli
from app.config.settings import SDK_URL, Settings, load_settings
from app.config.sources import WITHOUT_EFFECT, SettingsError
from app.config.validation import _check_key
from app.db.database import IN_MEMORY
from app.kaltura.credentials import AppToken
from app.main import create_app
from tests.support.doubles import ADMIN_SECRET, APP_TOKEN, BY_ADMIN_SECRET, BY_APP_TOKEN, settings
from tests.support.processes import ROOT
from tests.support.settings_errors import mistake, mistakes

LONG_KEY = "k" * 32
RANDOM_KEY = "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": RANDOM_KEY,
    "PUBLIC_URL": "https://avatar.example.com",
}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # Each name is compared with every setting's, in case that it is misspelt.
    for name in os.environ.keys() - {"PATH", "PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TEXT_LENGTH", "0"),
        ("MAX_TEXT_LENGTH", "many"),
        ("SESSION_MAX_SECONDS", "0"),
        ("SESSION_IDLE_SECONDS", "1.5"),
        ("UPSTREAM_TIMEOUT_SECONDS", "-1"),
        ("MAX_CONCURRENT_SESSIONS", "0"),
        ("MAX_SESSIONS_PER_VISITOR", "x"),
        ("AVATAR_ID", "a/b"),
        ("AVATAR_VOICE_ID", "a b"),
        ("AVATAR_ALLOWED_IDS", "ok,not ok"),
        ("AVATAR_BASE_URL", "api.avatar.us.kaltura.ai"),
        ("AVATAR_BASE_URL", "ftp://kaltura.test"),
        ("AVATAR_BASE_URL", "https://kaltura.test/v1?region=eu"),
        ("AVATAR_BASE_URL", "https://user:pass@kaltura.test"),
        ("AVATAR_TOKEN_MODE", "open"),
        ("AVATAR_SDK_URL", "sdk.js"),
        ("AVATAR_SDK_INTEGRITY", "sha384"),
        ("AVATAR_SDK_INTEGRITY", "md5-" + "A" * 64),
        ("FRAME_ANCESTORS", "https://a.example/path"),
        ("FRAME_ANCESTORS", "*"),
        ("DAILY_MINUTES", "-1"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql+asyncpg://host"),
        ("DATABASE_URL", "postgres://host?sslmode=require"),
        ("DATABASE_URL", "postgres://user:p@ss@host/name"),
        ("DATABASE_URL", "postgres://user:pa/ss@host/name"),
        ("DATABASE_URL", "postgres://user:pa#ss@host/name"),
        ("DATABASE_URL", "postgres://user:pa?ss@host/name"),
        ("DATABASE_URL", "data/broker.db"),
        ("SHUTDOWN_SESSIONS", "maybe"),
        ("ENVIRONMENT", "staging"),
        ("PUBLIC_URL", "https://avatar.example.com/path"),
        ("PUBLIC_URL", "avatar.example.com"),
        ("ALLOWED_ORIGINS", "https://a.example,*"),
        ("TRUSTED_PROXIES", "10.0.0.0/99"),
        ("TRUSTED_PROXIES", "proxy"),
        ("VISITOR_CONTROLS", "speak,fly"),
        ("AUTH_MODE", "open"),
        ("AUTH_JWKS_URL", "http://login.example.com/keys"),
        ("AUTH_JWKS_URL", "login.example.com/keys"),
        ("AUTH_HEADER", "X Forwarded User"),
        ("AUTH_HEADER", "X-Forwarded-User:"),
        ("AUTH_HEADER", "authorization"),
        ("AUTH_HEADER", "Cookie"),
        ("AVATAR_KS", "two words"),
        *(
            (name, value)
            for name in ("CREATE_RATE_LIMIT", "SPEAK_RATE_LIMIT", "CONTROL_RATE_LIMIT")
            for value in ("10", "ten/minute", "10/fortnight", "0/minute", "-1/minute")
        ),
        ("ADDRESS_SHARE_PERCENT", "0"),
        ("ADDRESS_SHARE_PERCENT", "101"),
        ("ADDRESS_SHARE_PERCENT", "80%"),
        ("SPEAK_RATE_LIMIT", "10/minute; 1/second"),
        ("SPEAK_RATE_LIMIT", "1000001/minute"),
        ("SPEAK_RATE_LIMIT", "10/2 days"),
        ("KALTURA_PARTNER_ID", "our-account"),
        ("KALTURA_PARTNER_ID", "0"),
        ("KALTURA_PARTNER_ID", "-5"),
        ("KALTURA_APP_TOKEN_ID", "1 token"),
        ("KALTURA_APP_TOKEN", "two words"),
        ("KALTURA_ADMIN_SECRET", "two words"),
        ("KALTURA_API_URL", "www.kaltura.com"),
        ("KALTURA_API_URL", "https://user:pass@kaltura.test"),
        ("SERVICE_TOKENS", "shop:short"),
        ("SERVICE_TOKENS", "a-token-without-a-name"),
        ("SERVICE_TOKENS", "a shop:token-of-16-characters"),
        ("SERVICE_TOKENS", f"shop:{LONG_KEY},shop:{LONG_KEY}"),
    ],
)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    told = mistake(**{name: value})
    assert told.startswith(f"{name} is malformed: ")


def test_every_mistake_is_told_at_one_start(tmp_path: Path) -> None:
    Path(".env").write_text("MAX_TEXT_LENGHT=5\nHOST=here\nAUTH_MODE=jwt\n", encoding="utf-8")
    told = mistakes(
        AVATAR_VOICEID="x",
        AVATAR_KS="hush hush",
        SERVICE_TOKENS="shop:hush",
        TTS_API_KEY_FILE=str(tmp_path / "none"),
        OPERATOR_TOKEN="hush-hush-hush-hush",
        OPERATOR_TOKEN_FILE="hush",
        AUTH_ISSUER="https://login.example.com",
        AUTH_HEADER="X-Forwarded-User",
        SPEECH_HOOK_SECRET="hush",
        PORT="http",
    )
    assert [re.split(r" (is|are|can't) ", line)[0] for line in told] == [
        *("AVATAR_VOICEID", "MAX_TEXT_LENGHT"),
        *("OPERATOR_TOKEN and OPERATOR_TOKEN_FILE", "TTS_API_KEY_FILE"),
        *("AVATAR_KS", "HOST", "PORT", "SERVICE_TOKENS"),
        *("AUTH_JWKS_URL", "AUTH_AUDIENCE", "AUTH_HEADER"),
        "SPEECH_HOOK_SECRET",
    ]
    assert "hush" not in "".join(told)


def test_several_mistakes_in_a_list_are_one_line() -> None:
    assert len(mistakes(AVATAR_ALLOWED_IDS="a b,c d", AVATAR_SDK_URL="x", DAILY_MINUTES="-1")) == 3


@pytest.mark.parametrize(
    ("given", "malformed"),
    [
        ({"AUTH_MODE": "open", "AUTH_HEADER": "X-Forwarded-User"}, "AUTH_MODE"),
        ({"ENVIRONMENT": "staging", "SPEECH_HOOK_URL": "https://a.example"}, "ENVIRONMENT"),
        ({"SECRET_KEY_FILE": "none", "DATABASE_URL": "postgres://host/name"}, "SECRET_KEY_FILE"),
        ({"DATABASE_URL": "none", "SHUTDOWN_SESSIONS": "keep"}, "DATABASE_URL"),
        ({"KALTURA_PARTNER_ID": "x", "KALTURA_ADMIN_SECRET": "hush"}, "KALTURA_PARTNER_ID"),
        ({"TTS_BASE_URL": "none", "SPEECH": "audio", "TTS_VOICE": "alloy"}, "TTS_BASE_URL"),
        ({**PRODUCTION, "PUBLIC_URL": "none"}, "PUBLIC_URL"),
    ],
)
def test_what_hangs_on_a_value_that_is_wrong_is_not_judged(
    given: dict[str, str], malformed: str
) -> None:
    [told] = mistakes(**given)
    assert told.startswith(malformed)


def test_a_malformed_rate_is_told_with_one_that_is_not() -> None:
    assert "such as 10/minute" in mistake(SPEAK_RATE_LIMIT="many")
    assert "such as 10/minute" in mistake(SPEAK_RATE_LIMIT="0/minute")
    assert settings(speak_rate_limit="1000000/minute").speak_rate_limit == "1000000/minute"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgres_goes_by_every_scheme_that_hosts_give_it(scheme: str) -> None:
    url = settings(database_url=f"{scheme}://u:p%40@h:1,[::1]/n?sslmode=require").database_url
    assert url == "postgresql+asyncpg://u:p%40@h:1,[::1]/n?sslmode=require"


def test_a_wrong_secret_is_not_told() -> None:
    assert "hush" not in mistake(AVATAR_KS="hush hush")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("AVATAR_VOICEID", "did you mean AVATAR_VOICE_ID?"),
        ("AVATAR_KSS", "did you mean AVATAR_KS?"),
        ("KALTURA_SOMETHING", ".env.example"),
        ("MAX_TEXT_LENGHT", "did you mean MAX_TEXT_LENGTH?"),
        ("max_text_lenght", "did you mean MAX_TEXT_LENGTH?"),
        ("MAXTEXT_LENGTH", "did you mean MAX_TEXT_LENGTH?"),
        ("OPERATOR_TOKENS", "did you mean OPERATOR_TOKEN?"),
        ("OPERATER_TOKEN_FILE", "did you mean OPERATOR_TOKEN_FILE?"),
        ("ALLOWED_ORIGIN", "did you mean ALLOWED_ORIGINS?"),
        ("ENVIROMENT", "did you mean ENVIRONMENT?"),
    ],
)
def test_an_unknown_setting_is_named_with_the_likely_one(name: str, advice: str) -> None:
    assert advice in mistake(**{name: "x"})


def test_an_unknown_name_in_the_env_file_is_told_whatever_it_begins_with() -> None:
    Path(".env").write_text("MAX_TEXT_LENGHT=5\n", encoding="utf-8")
    assert mistake() == "MAX_TEXT_LENGHT is not a setting: did you mean MAX_TEXT_LENGTH?"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "DATABASE_URI",
            "DATABASE_SSL",
            "DATABASE_USER",
            "DATABASE_URL_POOLED",
            "SECRET_KEY_BASE",
        ),
        *("SESSION_MAX_AGE_SECONDS", "SESSION_SECRET", "SPEECH_KEY", "TTS_API_URL", "PUBLIC_URI"),
        *("PUBLIC_IP", "HOST", "HOSTS", "POST", "HTTPS_PROXY", "UPDATE_RATE_LIMIT", "AUTH_SECRET"),
    ],
)
def test_a_name_with_another_word_in_it_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    load_settings()


def test_what_the_documents_give_to_callers_may_stand_beside_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    asked_for = r"process\.env\.(\w+)|os\.environ\[['\"](\w+)|\{([A-Z_]+)\}"
    named = re.findall(asked_for, "\n".join(documents))
    callers = {name for names in named for name in names if name}
    assert {"SERVICE_TOKEN", "SESSION_ID", "TOKEN"} <= callers
    for name in callers:
        monkeypatch.setenv(name, "x")
    load_settings()
    Path(".env").write_text("SERVICE_TOKEN=x\n", encoding="utf-8")
    load_settings()


@pytest.mark.parametrize("name", ["AVATAR_BROKER_SERVICE_HOST", "AVATAR_PORT_8000_TCP_ADDR"])
def test_what_kubernetes_injects_is_not_taken_for_a_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "10.0.0.1")
    load_settings()


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_what_has_no_effect_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    _, without_effect = load_settings()
    assert without_effect == [name]


PAIRS = "KALTURA_PARTNER_ID with KALTURA_APP_TOKEN_ID and KALTURA_APP_TOKEN, or with "
PARTNER = {"KALTURA_PARTNER_ID": "5"}
TOKEN_ID = {"KALTURA_APP_TOKEN_ID": "1_token"}
TOKEN = {"KALTURA_APP_TOKEN": "hush"}
ADMIN = {"KALTURA_ADMIN_SECRET": "hush"}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (PARTNER, "KALTURA_APP_TOKEN_ID"),
        (PARTNER | TOKEN, "KALTURA_APP_TOKEN_ID"),
        (PARTNER | TOKEN_ID, "KALTURA_APP_TOKEN"),
        (TOKEN_ID, "KALTURA_PARTNER_ID"),
        (TOKEN, "KALTURA_PARTNER_ID"),
        (TOKEN_ID | TOKEN, "KALTURA_PARTNER_ID"),
        (ADMIN, "KALTURA_PARTNER_ID"),
    ],
)
def test_half_of_what_makes_a_ks_is_told_with_the_other_half(
    given: dict[str, str], missing: str
) -> None:
    told = mistake(**given)
    assert told.startswith(f"{missing} is missing: ")
    assert PAIRS in told
    assert "hush" not in told


@pytest.mark.parametrize("given", [PARTNER | ADMIN, PARTNER | TOKEN_ID | TOKEN, PARTNER, TOKEN])
def test_a_ks_and_what_makes_one_are_not_set_both(given: dict[str, str]) -> None:
    told = mistake(AVATAR_KS="hush", **given)
    assert told.startswith("AVATAR_KS is set beside KALTURA_ settings that make a KS: unset ")
    assert "hush" not in told


@pytest.mark.parametrize(
    "given", [PARTNER | TOKEN_ID | TOKEN | ADMIN, PARTNER | TOKEN_ID | ADMIN, TOKEN | ADMIN]
)
def test_an_app_token_and_an_admin_secret_are_not_set_both(given: dict[str, str]) -> None:
    told = mistake(**given)
    assert told.startswith("KALTURA_ADMIN_SECRET is set beside an app token: unset ")
    assert "hush" not in told


def test_what_makes_a_ks_may_come_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (PARTNER | TOKEN_ID | TOKEN).items():
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    assert load_settings()[0].ks_credentials() == AppToken(5, "1_token", SecretStr("hush"))


def test_the_address_of_the_core_api_is_no_choice_of_a_ks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_KS", "djJ8")
    monkeypatch.setenv("KALTURA_API_URL", "https://core.test")
    assert load_settings()[0].ks_credentials() == SecretStr("djJ8")


@pytest.mark.parametrize("path", ["", "/", "/api_v3", "/api_v3/"])
def test_the_address_of_the_core_api_may_be_as_in_kalturas_guides(path: str) -> None:
    assert settings(kaltura_api_url=f"https://core.test{path}").kaltura_api_url == (
        "https://core.test"
    )


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ks").write_text("djJ8-from-a-file\n", encoding="utf-8")
    monkeypatch.setenv("AVATAR_KS_FILE", str(tmp_path / "ks"))
    loaded, _ = load_settings()
    assert loaded.avatar_ks is not None
    assert loaded.avatar_ks.get_secret_value() == "djJ8-from-a-file"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert mistake(AVATAR_KS_FILE=str(tmp_path / "none")).startswith("AVATAR_KS_FILE can't be read")


def test_a_secret_given_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "ks").write_text("x", encoding="utf-8")
    told = mistake(AVATAR_KS="x", AVATAR_KS_FILE=str(tmp_path / "ks"))
    assert told == "AVATAR_KS and AVATAR_KS_FILE are both set: unset one of them"


@pytest.mark.parametrize("quoted", ['"djJ8"', "'djJ8'", ' "djJ8" '])
def test_quotes_that_docker_keeps_around_a_value_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quoted: str
) -> None:
    (tmp_path / "token").write_text("a-token-of-16-characters", encoding="utf-8")
    for name, value in {
        "AVATAR_KS": quoted,
        "MAX_TEXT_LENGTH": "'7'",
        "SERVICE_TOKENS": '"shop:token-of-16-characters"',
        "OPERATOR_TOKEN_FILE": f'"{tmp_path}/token"',
        "AVATAR_ID": '""',
        "VISITOR_CONTROLS": "''",
    }.items():
        monkeypatch.setenv(name, value)
    loaded, _ = load_settings()
    assert loaded.avatar_ks == SecretStr("djJ8")
    assert (loaded.max_text_length, loaded.avatar_id, loaded.visitor_controls) == (7, None, ())
    assert loaded.service_tokens == {"shop": SecretStr("token-of-16-characters")}
    assert loaded.operator_token == SecretStr("a-token-of-16-characters")


@pytest.mark.parametrize("value", ['"a', "a'", "\"a'", "it's", '"', '"a"b"'])
def test_other_quotes_are(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AVATAR_KS", value)
    assert load_settings()[0].avatar_ks == SecretStr(value)


def test_an_env_file_may_begin_with_a_byte_order_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MAX_TEXT_LENGTH=5\nAVATAR_KS_FILE=ks\n", encoding="utf-8-sig")
    Path("ks").write_text("djJ8\n", encoding="utf-8-sig")
    loaded, _ = load_settings()
    assert (loaded.max_text_length, loaded.avatar_ks) == (5, SecretStr("djJ8"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("command", [[], ["serve"], ["demo"], ["emulator"], ["doctor"]])
def test_an_env_file_in_another_encoding_is_one_line(
    capsys: pytest.CaptureFixture[str], encoding: str, command: list[str]
) -> None:
    Path(".env").write_text("AUTH_ISSUER=b\u00fccher\n", encoding=encoding)
    with pytest.raises(SystemExit) as ended:
        cli.main(command)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told == (
        "avatar-broker: .env is not text in UTF-8 (PowerShell's > writes UTF-16): "
        "save it as UTF-8\n"
    )


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_ID", "")
    monkeypatch.setenv("MAX_TEXT_LENGTH", "")
    loaded, _ = load_settings()
    assert (loaded.avatar_id, loaded.max_text_length) == (None, 1000)


def test_no_control_listed_is_no_control_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISITOR_CONTROLS", "")
    assert load_settings()[0].visitor_controls == ()
    monkeypatch.delenv("VISITOR_CONTROLS")
    Path(".env").write_text("VISITOR_CONTROLS=\n", encoding="utf-8")
    assert load_settings()[0].visitor_controls == ()


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MAX_TEXT_LENGTH=5\nSESSION_MAX_SECONDS=60\n", encoding="utf-8")
    monkeypatch.setenv("MAX_TEXT_LENGTH", "7")
    loaded, _ = load_settings()
    assert (loaded.max_text_length, loaded.session_max_seconds) == (7, 60)


def test_the_defaults_are_the_contracts() -> None:
    defaults = Settings(_env_file=None)
    assert defaults.avatar_base_url == "https://api.avatar.us.kaltura.ai/v1/avatar-session"
    assert defaults.avatar_voice_model_id == "eleven_flash_v2_5"
    assert (defaults.avatar_token_mode, defaults.sdk_url) == ("sealed", SDK_URL)
    assert defaults.kaltura_api_url == "https://www.kaltura.com"
    assert (defaults.upstream_timeout_seconds, defaults.max_text_length) == (10, 1000)
    assert (defaults.max_concurrent_sessions, defaults.max_sessions_per_visitor) == (5, 1)
    assert (defaults.session_max_seconds, defaults.session_idle_seconds) == (900, 90)
    assert (defaults.create_rate_limit, defaults.speak_rate_limit) == ("10/minute", "60/minute")
    assert (defaults.control_rate_limit, defaults.address_share_percent) == ("300/minute", 80)


@pytest.mark.parametrize(
    ("changes", "missing"), [({"avatar_ks": None}, "AVATAR_KS"), ({"avatar_id": None}, "AVATAR_ID")]
)
def test_the_app_does_not_start_without_a_ks_or_an_avatar(
    changes: dict[str, Any], missing: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{missing} is missing: set it"):
        create_app(settings(**changes))


@pytest.mark.parametrize("makes_ks", [BY_ADMIN_SECRET, BY_APP_TOKEN])
def test_the_app_starts_with_what_makes_a_ks_and_an_avatar(makes_ks: dict[str, Any]) -> None:
    create_app(settings(**makes_ks))
    with pytest.raises(SettingsError, match=r"^AVATAR_ID is missing: set it"):
        create_app(settings(**makes_ks, avatar_id=None))


def test_production_starts_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    assert load_settings()[0].environment == "production"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "SECRET_KEY is missing"),
        ("short", "SECRET_KEY: each key needs at least 32 characters"),
        (RANDOM_KEY[:31], "SECRET_KEY: each key needs at least 32 characters"),
        (f"{RANDOM_KEY},short", "SECRET_KEY: each key needs at least 32 characters"),
        (LONG_KEY, "SECRET_KEY can be guessed"),
        (f"{RANDOM_KEY},{LONG_KEY}", "SECRET_KEY can be guessed"),
        ("abc1" * 9, "SECRET_KEY can be guessed"),
        ("changeme-b6589fc6ab0dc82cf12099d1c2d40ab994", "SECRET_KEY can be guessed"),
        ("CHANGE_ME_b6589fc6ab0dc82cf12099d1c2d40ab994", "SECRET_KEY can be guessed"),
        ("your-32-characters-of-a-secret-key", "SECRET_KEY can be guessed"),
    ],
)
def test_production_wants_keys_that_nobody_can_guess(key: str, told: str) -> None:
    assert mistake(**{**PRODUCTION, "SECRET_KEY": key}).startswith(told)
    if key:
        assert key not in mistake(**{**PRODUCTION, "SECRET_KEY": key})


def test_a_key_that_was_made_at_random_is_not_taken_for_a_sample() -> None:
    for _ in range(200):
        for key in (secrets.token_hex(32), secrets.token_hex(16), secrets.token_urlsafe(32)):
            _check_key(key)


@pytest.mark.parametrize("url", ["", "http://avatar.example.com", "http://127.0.0.1:8000"])
def test_production_is_reached_over_https(url: str) -> None:
    assert mistake(**{**PRODUCTION, "PUBLIC_URL": url}).startswith("PUBLIC_URL is not https")


@pytest.mark.parametrize("key", ["", "short", LONG_KEY])
def test_development_starts_with_any_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SECRET_KEY", key)
    load_settings()


LOGIN = {
    "AUTH_MODE": "jwt",
    "AUTH_JWKS_URL": "https://login.example.com/keys",
    "AUTH_ISSUER": "https://login.example.com",
    "AUTH_AUDIENCE": "avatars",
}
SIGNING_PROXY = {
    "AUTH_MODE": "header",
    "AUTH_HEADER": "X-Forwarded-User",
    "TRUSTED_PROXIES": "10.0.0.7",
}


@pytest.mark.parametrize("whole", [{}, LOGIN, SIGNING_PROXY], ids=["anonymous", "jwt", "header"])
def test_each_auth_mode_starts_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, str]
) -> None:
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    assert load_settings()[0].auth_mode == whole.get("AUTH_MODE", "anonymous")


@pytest.mark.parametrize(
    ("whole", "missing"),
    [(whole, name) for whole in (LOGIN, SIGNING_PROXY) for name in whole if name != "AUTH_MODE"],
)
def test_an_auth_mode_names_what_it_lacks(whole: dict[str, str], missing: str) -> None:
    told = mistake(**{**whole, missing: ""})
    assert told.startswith(f"{missing} is missing: AUTH_MODE={whole['AUTH_MODE']} needs ")


@pytest.mark.parametrize(
    ("given", "name", "mode"),
    [
        *(({name: LOGIN[name]}, name, "jwt") for name in LOGIN if name != "AUTH_MODE"),
        ({"AUTH_HEADER": "X-Forwarded-User"}, "AUTH_HEADER", "header"),
        ({**LOGIN, "AUTH_HEADER": "X-Forwarded-User"}, "AUTH_HEADER", "header"),
        ({**SIGNING_PROXY, "AUTH_AUDIENCE": "avatars"}, "AUTH_AUDIENCE", "jwt"),
    ],
)
def test_an_auth_setting_that_has_no_effect_stops_the_start(
    given: dict[str, str], name: str, mode: str
) -> None:
    told = mistake(**given)
    assert told.startswith(f"{name} is set, but AUTH_MODE=")
    assert told.endswith(f"set AUTH_MODE={mode}, or unset {name}")


@pytest.mark.parametrize("everyone", ["0.0.0.0/0", "10.0.0.7,::/0"])
def test_a_header_that_everyone_may_set_signs_nobody_in(everyone: str) -> None:
    assert mistake(**{**SIGNING_PROXY, "TRUSTED_PROXIES": everyone}).startswith("TRUSTED_PROXIES")


def test_the_keys_of_a_login_on_this_machine_may_come_over_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**LOGIN, "AUTH_JWKS_URL": "http://127.0.0.1:9000/keys"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings()[0].auth_jwks_url == "http://127.0.0.1:9000/keys"


@pytest.mark.parametrize("url", [IN_MEMORY, "sqlite+aiosqlite:///"])
def test_sessions_are_kept_only_where_the_next_process_can_find_them(url: str) -> None:
    told = mistake(SHUTDOWN_SESSIONS="keep", DATABASE_URL=url)
    assert told.startswith("SHUTDOWN_SESSIONS=keep would leave sessions open for ever")
    load_settings(shutdown_sessions="keep")
    load_settings(shutdown_sessions="end", database_url=url)


def test_several_keys_rotate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", f"{LONG_KEY}, {'o' * 32}")
    loaded, _ = load_settings()
    assert [key.get_secret_value()[0] for key in loaded.secret_key] == ["k", "o"]


def test_services_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKENS", f"shop:{LONG_KEY}, desk:a:{LONG_KEY}")
    loaded, _ = load_settings()
    tokens = {name: token.get_secret_value() for name, token in loaded.service_tokens.items()}
    assert tokens == {"shop": LONG_KEY, "desk": f"a:{LONG_KEY}"}


def test_no_secret_is_in_a_repr() -> None:
    for changes in ({}, BY_ADMIN_SECRET, BY_APP_TOKEN):
        told = repr(settings(secret_key="s" * 32, **changes))
        for secret in ("canary-ks", "s" * 32, ADMIN_SECRET, APP_TOKEN):
            assert secret not in told


@pytest.mark.parametrize(
    ("base_url", "local"),
    [("http://127.0.0.1:8001/v1/avatar-session", True), ("https://kaltura.test/v1", False)],
)
def test_on_a_local_kaltura_the_builtin_player_is_the_default(
    base_url: str,
    local: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert (settings(avatar_base_url=base_url).sdk_url == "builtin") is local
