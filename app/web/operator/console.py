"""The operator's console: pages for live sessions, the audit record, and usage."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from app.audit.model import Event
from app.config.settings import Settings
from app.config.url_types import origin as parsed_origin
from app.problems import PROBLEMS, RecordUnavailable
from app.web.deps import (
    AssetsDep,
    AuditReaderDep,
    OwnOriginDep,
    SettingsDep,
    TemplatesDep,
    UsageDep,
)
from app.web.embed.element_files import release_of, snippet_of
from app.web.embed.site_access import findings, needed_sources, picture_sources
from app.web.error_responses import OPERATOR_PATH
from app.web.middleware.csp import console_policy
from app.web.operator.charts import Chart, Share
from app.web.operator.dashboard import DashboardDep
from app.web.operator.filters import Cursor, FilterDep
from app.web.operator.schemas import AuditEvent, UsageReport
from app.web.operator.sign_in import OperatorAuthenticator, OperatorAuthenticatorDep
from app.web.route_classes import HeadRoute

PAGE: Final = 50
"""Entries of the audit record on a page."""

FILTERS: Final = (
    *("text", "event", "outcome", "visitor", "sessionId", "since", "until"),
    "keepAlives",
)

router = APIRouter(
    prefix=OPERATOR_PATH,
    include_in_schema=False,
    default_response_class=HTMLResponse,
    route_class=HeadRoute,
)


@dataclass(frozen=True)
class Console:
    """Renders pages of the console for the operator who has signed in."""

    request: Request
    authenticator: OperatorAuthenticator
    settings: Settings
    templates: Jinja2Templates

    def refusal(self) -> HTMLResponse | None:
        """The page for a browser that has not signed in; None when it has."""
        if not self.authenticator.is_configured:
            return self.page("closed", status=HTTPStatus.NOT_FOUND)
        if not self.authenticator.has_signed_in(self.request):
            return self.page("sign-in", status=HTTPStatus.UNAUTHORIZED)
        return None

    def page(self, name: str, *, status: HTTPStatus = HTTPStatus.OK, **about: Any) -> HTMLResponse:
        """The page of a template; `about` is what the template shows."""
        nonce = secrets.token_urlsafe(16)
        return self.templates.TemplateResponse(
            self.request,
            f"operator/{name}.html",
            {"nonce": nonce, "here": name, "settings": self.settings} | about,
            status_code=status,
            headers={"Content-Security-Policy": console_policy(nonce)},
        )


async def _console(
    request: Request,
    authenticator: OperatorAuthenticatorDep,
    settings: SettingsDep,
    templates: TemplatesDep,
) -> Console:
    return Console(request, authenticator, settings, templates)


ConsoleDep = Annotated[Console, Depends(_console)]


@router.get("")
async def now(console: ConsoleDep, dashboard: DashboardDep) -> HTMLResponse:
    """The page of live sessions and of the broker's health."""
    return console.refusal() or console.page(
        "now", sessions=await dashboard.sessions(), health=await dashboard.health()
    )


@router.get("/record")
async def record(
    console: ConsoleDep, audit_reader: AuditReaderDep, wanted: FilterDep, cursor: Cursor = None
) -> HTMLResponse:
    """The page of the audit record, newest first."""
    if (refusal := console.refusal()) is not None:
        return refusal
    asked = {name: value for name in FILTERS if (value := console.request.query_params.get(name))}
    # Most of the record is keep-alives that went well: they are shown to an operator who asks.
    default = {} if wanted.event is Event.KEEP_ALIVE else {"keepAlives": "failed"}
    if default and "keepAlives" not in asked:
        wanted = replace(wanted, keep_alives=False)
    about: dict[str, Any] = {
        "asked": asked,
        "query": urlencode(asked),
        "api_query": urlencode(default | asked),
        "leaves_out_keep_alives": not wanted.keep_alives,
        "at": cursor,
        "events": list(Event),
        "problems": sorted(problem.name for problem in PROBLEMS),
    }
    try:
        newest = await audit_reader.newest()
        page = await audit_reader.page(wanted, limit=PAGE, before=int(cursor) if cursor else None)
    except RecordUnavailable as problem:
        return console.page("record", status=HTTPStatus(problem.status), problem=problem, **about)
    return console.page(
        "record",
        entries=[(found.row_id, AuditEvent.of(found)) for found in page.found],
        newest=newest if not page.found or cursor else page.found[0].row_id,
        older=page.older,
        **about,
    )


@router.get("/usage")
async def usage(console: ConsoleDep, usage: UsageDep) -> HTMLResponse:
    """The page of usage, by day and by visitor."""
    if (refusal := console.refusal()) is not None:
        return refusal
    try:
        report = UsageReport.of(
            await usage.by_day(), await usage.by_visitor(1), await usage.by_visitor()
        )
    except RecordUnavailable as problem:
        return console.page("usage", status=HTTPStatus(problem.status), problem=problem)
    return console.page("usage", report=report, **_charts(report))


@router.get("/embed")
async def embed(
    console: ConsoleDep,
    broker: OwnOriginDep,
    assets: AssetsDep,
    site: Annotated[str, Query(alias="origin", max_length=256)] = "",
) -> HTMLResponse:
    """The page that tells how another site shows the avatar, and what keeps it from that."""
    if (refusal := console.refusal()) is not None:
        return refusal
    about: dict[str, Any] = {
        "site": site,
        "broker": broker,
        "snippet": snippet_of(broker, release_of(assets)),
        "sources": {
            **needed_sources(console.settings, broker),
            **picture_sources(console.settings, broker),
        },
    }
    try:
        found = findings(console.settings, parsed_origin(site), broker) if site else []
    except ValueError:
        return console.page("embed", status=HTTPStatus.BAD_REQUEST, is_no_origin=True, **about)
    return console.page("embed", findings=found, **about)


def _charts(report: UsageReport) -> Mapping[str, Any]:
    days = list(reversed(report.days))
    most = max((visitor.minutes for visitor in report.visitors), default=0.0)
    return {
        "minutes": Chart.of([(day.day, day.minutes) for day in days]),
        "sessions": Chart.of([(day.day, day.sessions) for day in days]),
        "visitors": [(visitor, Share.of(visitor.minutes, most)) for visitor in report.visitors],
    }
