"""Every route of the broker, surface by surface, as the documents have them."""

from typing import Final

from fastapi import APIRouter

from app.web import mirror, pages
from app.web.embed import routes as embed
from app.web.operator import api as operator_api
from app.web.operator import console, metrics, probes, streams
from app.web.visitor import catalog, config, create, events
from app.web.visitor import sessions as visitor_sessions

ROUTERS: Final[tuple[APIRouter, ...]] = (
    create.router,
    visitor_sessions.plain,
    visitor_sessions.router,
    events.router,
    config.router,
    catalog.router,
    mirror.router,
    mirror.plain,
    probes.router,
    metrics.router,
    operator_api.router,
    streams.router,
    console.router,
    embed.router,
    pages.router,
)
