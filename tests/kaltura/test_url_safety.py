"""Which media addresses a browser may be sent to."""

import pytest

from app.kaltura.url_safety import is_loopback_url, is_safe_media_url


@pytest.mark.parametrize(
    "url",
    [
        "https://srs.avatar.us.kaltura.ai/rtc/v1/whep/?app=app&stream=1",
        "https://media.example.com:8443/whep/session/1",
        "https://8.8.8.8/whep",
        "https://[2001:4860:4860::8888]/whep",
    ],
)
def test_https_on_a_public_host_is_safe(url: str) -> None:
    assert is_safe_media_url(url, allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://srs.avatar.us.kaltura.ai/whep",
        "https://127.0.0.1/whep",
        "https://127.1/whep",
        "https://2130706433/whep",
        "https://0x7f000001/whep",
        "https://10.0.0.5/whep",
        "https://192.168.1.1/whep",
        "https://172.16.0.1/whep",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/whep",
        "https://0.0.0.0/whep",
        "https://224.0.0.1/whep",
        "https://[::1]/whep",
        "https://[::ffff:10.0.0.5]/whep",
        "https://[fe80::1]/whep",
        "https://[fd00::1]/whep",
        "https://localhost/whep",
        "https://localhost./whep",
        "https://app.localhost/whep",
        "https://printer.local/whep",
        "https://db.internal/whep",
        "https://intranet/whep",
        "https://user@media.kaltura.ai/whep",
        "https://media.kaltura.ai:port/whep",
        "https://media.kaltura.ai/whep\nx",
        "https:\\\\media.kaltura.ai/whep",
        "https://%31%32%37.0.0.1/whep",
        "https://127.0.0.1%2e/whep",
        "https://①②⑦.⓪.⓪.①/whep",
        "https://[64:ff9b::7f00:1]/whep",
        "https://[2002:7f00:1::]/whep",
        "https://[::127.0.0.1]/whep",
        "https://localhost.localdomain/whep",
        "javascript:alert(1)",
        "//media.kaltura.ai/whep",
        "https://",
        "whep",
        "",
    ],
)
def test_everything_else_is_not(url: str) -> None:
    assert not is_safe_media_url(url, allow_private=False)


def test_on_a_local_kaltura_private_hosts_are_safe_but_other_schemes_are_not() -> None:
    assert is_safe_media_url("http://127.0.0.1:8001/whep/session/1", allow_private=True)
    assert not is_safe_media_url("javascript:alert(1)", allow_private=True)
    assert not is_safe_media_url("file:///etc/passwd", allow_private=True)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8001/v1", True),
        ("http://localhost/v1", True),
        ("http://[::1]:9/v1", True),
        ("https://api.avatar.us.kaltura.ai/v1", False),
        ("https://127.0.0.1.example.com/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_loopback_is_recognised(url: str, loopback: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_loopback_url(url) is loopback
