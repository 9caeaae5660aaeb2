"""Every route of the broker: the calls that pages make most, then surface by surface."""

from typing import Final

from fastapi import APIRouter

from app.web import mirror, pages
from app.web.embed import routes as embed
from app.web.operator import api as operator_api
from app.web.operator import console, metrics, probes, streams
from app.web.visitor import config, create, events
from app.web.visitor import sessions as visitor_sessions

ROUTERS: Final[tuple[APIRouter, ...]] = (
    visitor_sessions.plain,
    mirror.plain,
    create.router,
    visitor_sessions.router,
    events.router,
    config.router,
    mirror.router,
    probes.router,
    metrics.router,
    operator_api.router,
    streams.router,
    console.router,
    embed.router,
    pages.router,
)
