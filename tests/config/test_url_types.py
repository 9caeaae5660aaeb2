"""Addresses in settings are what a browser makes of them, or are refused at the start."""

import pytest

from app.config.settings import Settings
from tests.support.doubles import settings
from tests.support.settings_errors import mistake, mistakes

ADDRESSES = (
    *("PUBLIC_URL", "ALLOWED_ORIGINS", "FRAME_ANCESTORS", "AVATAR_BASE_URL", "AVATAR_SDK_URL"),
    *("TTS_BASE_URL", "SPEECH_HOOK_URL", "AUTH_JWKS_URL", "KALTURA_API_URL"),
)


def of(name: str, value: str) -> str:
    """What becomes of an address in a setting."""
    field = name.lower()
    needs = {"AUTH_JWKS_URL": {"auth_mode": "jwt", "auth_issuer": "x", "auth_audience": "x"}}
    kept = getattr(settings(**{field: value}, **needs.get(name, {})), field)
    return ",".join(kept) if isinstance(kept, tuple) else str(kept)


@pytest.mark.parametrize(
    ("written", "browsers"),
    [
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://B\u00dcCHER.example:0443/", "https://xn--bcher-kva.example"),
        ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://127.1:80", "http://127.0.0.1"),
        (" https://app.example.com ", "https://app.example.com"),
    ],
)
def test_an_address_is_what_a_browser_makes_of_it(written: str, browsers: str) -> None:
    for name in ADDRESSES:
        assert of(name, written) == browsers, name


@pytest.mark.parametrize(
    "value",
    [
        "https://app.example.com:abc",
        "https://app.example.com:99999",
        "https://app.example.com:0",
        "https://app.example.com;script-src",
        "https://app.example.com/a;b",
        "https://app example.com",
        "https://app.example.com/a b",
        "https://app.example.com'",
        'https://app.example.com/"',
        "https://app\n.example.com",
        "https://app.example.com\\evil.example",
        "https://app*.example.com",
        "https://app.*.example.com",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://user@app.example.com",
        "https://@app.example.com",
        "https:app.example.com",
        "https:///app.example.com",
        "https://",
        "//app.example.com",
        "app.example.com:8000",
        "javascript://app.example.com",
        "file:///app",
        "null",
        "*",
    ],
)
def test_what_is_no_address_is_refused_at_the_start(value: str) -> None:
    told = [
        line.partition(" is malformed: ")[0] for line in mistakes(**dict.fromkeys(ADDRESSES, value))
    ]
    assert sorted(told) == sorted(ADDRESSES)


def test_what_is_wrong_with_an_address_is_told_without_it() -> None:
    told = mistake(AVATAR_BASE_URL="https://user:hush@kaltura.test:99999")
    assert "invalid port number" in told
    assert "hush" not in told


@pytest.mark.parametrize(
    "origin",
    [
        *("capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://."),
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "ionic://localhost:8080",
    ],
)
def test_an_apps_pages_have_an_origin_too(origin: str) -> None:
    for name in ("ALLOWED_ORIGINS", "FRAME_ANCESTORS"):
        assert of(name, f"{origin}, https://app.example.com") == f"{origin},https://app.example.com"
    assert mistake(PUBLIC_URL=origin).startswith("PUBLIC_URL is malformed: not an http(s) address")


def test_one_origin_in_two_spellings_is_one() -> None:
    spellings = "https://a.example, https://A.example:443/, https://b.example"
    assert of("ALLOWED_ORIGINS", spellings) == "https://a.example,https://b.example"


def test_a_frame_may_be_on_every_page_below_a_domain() -> None:
    assert of("FRAME_ANCESTORS", "https://*.Example.com:443") == "https://*.example.com"
    assert mistake(ALLOWED_ORIGINS="https://*.example.com").startswith("ALLOWED_ORIGINS")


@pytest.mark.parametrize("beyond", ["/avatar", "?avatar", "/?", "#avatar", "/#"])
def test_an_origin_ends_with_its_port(beyond: str) -> None:
    told = mistake(PUBLIC_URL=f"https://example.com{beyond}")
    assert "can't be below a path: give it a host of its own" in told
    for name in ("ALLOWED_ORIGINS", "FRAME_ANCESTORS"):
        assert "without a path" in mistake(**{name: f"https://example.com{beyond}"})


@pytest.mark.parametrize("name", ["AVATAR_SDK_URL", "SPEECH_HOOK_URL", "AUTH_JWKS_URL"])
def test_what_is_fetched_keeps_its_path_and_query(name: str) -> None:
    address = "https://app.example.com/a%20b/%D7%A9/?p=a%2Fb&q=c@d"
    assert of(name, address) == address


def test_the_defaults_are_as_a_browser_writes_them() -> None:
    for name in ADDRESSES:
        default = Settings.model_fields[name.lower()].default
        assert not default or of(name, default) == default
