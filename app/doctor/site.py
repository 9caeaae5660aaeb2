"""Checks of a site whose pages show the avatar: what would keep them from using this broker."""

from collections.abc import Iterable, Mapping
from typing import Final

import httpx

from app.config.settings import Settings
from app.doctor.checks import CheckFailed, CheckResult, CheckRunner, Verdict
from app.web.embed.csp_sources import blocked
from app.web.embed.site_access import Finding, findings, needed_sources, picture_sources

FETCH_SECONDS: Final = 10
_POLICY: Final = "Content-Security-Policy"


async def check_site(settings: Settings, site: str, broker: str, checks: CheckRunner) -> None:
    """Check whether pages of the origin `site` can use the broker, reached at `broker`."""
    for finding in findings(settings, site, broker):
        checks.add(_result(finding))
    await checks.run("policy", lambda: _check_policy(settings, site, broker))


def _result(finding: Finding) -> CheckResult:
    failed = Verdict.WRONG if finding.is_needed else Verdict.WARNING
    verdict = failed if finding.fix else Verdict.WELL
    return CheckResult(finding.about, verdict, finding.text, finding.fix)


async def _check_policy(settings: Settings, site: str, broker: str) -> str:
    """Check the policy that the site's first page has; other pages may have another."""
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=FETCH_SECONDS) as http,
            http.stream("GET", site) as answer,
        ):
            policies = answer.headers.get_list(_POLICY, split_commas=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CheckFailed(
            f"{site} can't be reached from here ({type(error).__name__})",
            "Whether its Content-Security-Policy allows the broker is not known: see docs/csp.md.",
            verdict=Verdict.WARNING,
        ) from error
    if not policies:
        return "its first page has no Content-Security-Policy in its headers"
    if missing := blocked(policies, needed_sources(settings, broker)):
        raise CheckFailed(
            "the Content-Security-Policy of its first page blocks what the element needs",
            f"Add to it: {_lines(missing)}",
        )
    if missing := blocked(policies, picture_sources(settings, broker)):
        raise CheckFailed(
            "the Content-Security-Policy of its first page blocks the avatars' pictures, "
            "so visitors choose by name",
            f"Add to it: {_lines(missing)}",
            verdict=Verdict.WARNING,
        )
    return "the Content-Security-Policy of its first page allows the element"


def _lines(missing: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name} {' '.join(addresses)}" for name, addresses in missing.items())
