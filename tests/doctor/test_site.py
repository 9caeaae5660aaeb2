"""The doctor for a site of another origin: what keeps its pages from using the broker."""

from typing import Any

import pytest

from app.doctor.checks import CheckRunner, Verdict
from app.doctor.examination import examine_site
from app.doctor.site import check_site
from tests.support.doubles import settings
from tests.support.processes import free_port
from tests.support.site import running_site

BROKER = "https://avatar.example.com"
SHOP = "https://shop.invalid"
ALLOWED = {"allowed_origins": SHOP, "frame_ancestors": "https://*.invalid"}
HEADER = {"auth_mode": "header", "auth_header": "X-User", "trusted_proxies": "127.0.0.1"}
LOGIN = {"auth_jwks_url": "https://id.example/keys", "auth_issuer": "i", "auth_audience": "a"}


async def examined(origin: str, broker: str = BROKER, **changes: Any) -> dict[str, tuple[str, str]]:
    checks = CheckRunner(lambda _: None)
    configured = settings(**{"avatar_base_url": "https://api.example.com"} | changes)
    await check_site(configured, origin, broker, checks)
    return {each.step: (each.verdict, f"{each.text} {each.fix}") for each in checks.results}


@pytest.mark.parametrize(
    ("origin", "broker", "changes", "step", "verdict", "words"),
    [
        (SHOP, BROKER, ALLOWED, "calls", Verdict.WELL, "ALLOWED_ORIGINS names it"),
        (
            SHOP,
            BROKER,
            {"allowed_origins": "https://a.example"},
            "calls",
            Verdict.WRONG,
            f",{SHOP}",
        ),
        (SHOP, BROKER, {"frame_ancestors": SHOP}, "calls", Verdict.WARNING, f"ORIGINS={SHOP}"),
        (BROKER, BROKER, {}, "calls", Verdict.WELL, "the broker's own origin"),
        (SHOP, BROKER, ALLOWED, "address", Verdict.WELL, BROKER),
        (SHOP, "http://10.0.0.1", ALLOWED, "address", Verdict.WRONG, "PUBLIC_URL"),
        (SHOP, "http://127.0.0.1:8000", ALLOWED, "address", Verdict.WELL, "127.0.0.1"),
        (SHOP, BROKER, ALLOWED, "frame", Verdict.WELL, "FRAME_ANCESTORS allows it"),
        ("https://invalid", BROKER, ALLOWED, "frame", Verdict.WARNING, ",https://invalid"),
        (SHOP, BROKER, ALLOWED, "login", Verdict.WELL, "every visitor may start"),
        (SHOP, BROKER, HEADER, "login", Verdict.WARNING, "Use AUTH_MODE=jwt"),
        (SHOP, BROKER, {"auth_mode": "jwt"} | LOGIN, "login", Verdict.WELL, "getAuthToken"),
        (SHOP, BROKER, ALLOWED, "policy", Verdict.WARNING, "can't be reached from here"),
    ],
)
async def test_what_keeps_a_site_from_the_broker_is_named_with_its_fix(
    origin: str, broker: str, changes: dict[str, Any], step: str, verdict: Verdict, words: str
) -> None:
    found, told = (await examined(origin, broker, **changes))[step]
    assert found is verdict
    assert words in told


@pytest.mark.parametrize(
    ("policy", "missing"),
    [
        ("", None),
        ("img-src 'self'", None),
        (f"default-src {BROKER} https://*.kaltura.ai", None),
        ("script-src https: 'self'; connect-src *", None),
        ("script-src 'nonce-abc'; connect-src *.example.com:* http://*.kaltura.ai", None),
        ("SCRIPT-SRC *; script-src 'none'; connect-src *", None),
        ("default-src 'none'", f"script-src {BROKER}; connect-src {BROKER} https://*.kaltura.ai"),
        (f"script-src {BROKER}:444; connect-src *", f"script-src {BROKER}"),
        (f"script-src *; connect-src {BROKER}", "connect-src https://*.kaltura.ai"),
        ("script-src *; connect-src *, script-src 'self'", f"script-src {BROKER}"),
    ],
)
async def test_what_the_policy_of_a_site_blocks_is_told_with_the_lines_that_it_lacks(
    policy: str, missing: str | None
) -> None:
    async with running_site(free_port()) as site:
        site.policy = policy
        found, told = (await examined(site.url))["policy"]
    if missing is None:
        assert found is Verdict.WELL, told
    else:
        assert found is Verdict.WRONG
        assert told.endswith(f"Add to it: {missing}")


async def test_a_policy_that_blocks_the_pictures_of_a_choice_is_a_warning() -> None:
    async with running_site(free_port()) as site:
        site.policy = "script-src *; connect-src *; img-src 'self'"
        assert (await examined(site.url))["policy"][0] is Verdict.WELL
        found, told = (await examined(site.url, avatar_catalog_tag="shop"))["policy"]
    assert found is Verdict.WARNING
    assert told.endswith(f"Add to it: img-src {BROKER}")


async def test_the_exit_code_tells_whether_anything_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running_site(free_port()) as site:
        allowing = settings(allowed_origins=site.url, public_url=BROKER)
        assert await examine_site(allowing, site.url, in_json=True) == 0
        assert '"well": true' in capsys.readouterr().out
        assert await examine_site(settings(public_url=BROKER), site.url, in_json=False) == 1
    assert "ALLOWED_ORIGINS does not name" in capsys.readouterr().out
