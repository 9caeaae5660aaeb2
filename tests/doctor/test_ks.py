"""What the doctor reads from a KS."""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha1
from typing import Final

import pytest

from app.doctor.checks import CheckFailed, Verdict
from app.doctor.ks import KsFields, describe_ks, parse_ks

NOW: Final = 1_800_000_000


def version_1(expires_at: float = NOW + 3600, kind: int = 2, partner: str = "12345") -> str:
    info = f"{partner};{partner};{int(expires_at)};{kind};12345.67;user;disableentitlement;;"
    signature = sha1(f"secret{info}".encode(), usedforsecurity=False).hexdigest()
    return b64encode(f"{signature}|{info}".encode()).decode()


def version_2(partner: int = 12345) -> str:
    return urlsafe_b64encode(f"v2|{partner}|".encode() + bytes(range(128, 176))).decode()


def test_a_version_1_tells_its_partner_its_end_and_its_type() -> None:
    assert parse_ks(version_1()) == KsFields(1, 12345, NOW + 3600, 2)
    told = describe_ks(version_1(), NOW)
    assert "version 1, of partner 12345, until 2027-01-15 09:00 UTC" in told


def test_a_version_2_tells_its_partner_alone() -> None:
    assert version_2().startswith("djJ8")
    assert parse_ks(version_2()) == KsFields(2, 12345)
    assert parse_ks(version_2().rstrip("=")) == KsFields(2, 12345)
    assert "of partner 12345" in describe_ks(version_2(), NOW)


def test_one_that_has_expired_is_wrong() -> None:
    with pytest.raises(CheckFailed, match="has expired on 2027-01-15 08:00 UTC") as raised:
        describe_ks(version_1(NOW), NOW)
    assert raised.value.verdict is Verdict.WRONG
    assert "KALTURA_APP_TOKEN" in raised.value.fix


def test_one_that_is_no_admins_is_a_warning() -> None:
    with pytest.raises(CheckFailed, match="of type 0") as raised:
        describe_ks(version_1(kind=0), NOW)
    assert raised.value.verdict is Verdict.WARNING


@pytest.mark.parametrize(
    "ks",
    [
        *("", "x", "canary", "v2|12345|", version_1()[:30], version_1(partner="x"), "\x7f" * 9),
        b64encode(b"v2||").decode(),
        b64encode(b"v2|-1|x").decode(),
        b64encode(b"0" * 40 + b"|1;2").decode(),
    ],
    ids=ascii,
)
def test_what_has_not_its_form_is_a_warning_and_is_not_repeated(ks: str) -> None:
    with pytest.raises(CheckFailed) as raised:
        describe_ks(ks, NOW)
    assert raised.value.verdict is Verdict.WARNING
    assert not ks or ks not in raised.value.text
